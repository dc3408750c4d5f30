local stubs = require "stubs"
local requests = require "request_stubs"
local cjson = require "cjson.safe"
local digest = require "digest"

describe("gate", function()
    local gate, state, list, versions

    local function put_rules(rules)
        versions = (versions or 0) + 1
        ngx.shared.config_cache:set("rules", cjson.encode(rules))
        ngx.shared.config_cache:set("rules_version", "v" .. versions)
    end

    before_each(function()
        requests.reset()
        gate = require "gate"
        state, list = ngx.shared.state, ngx.shared.access_a
        state:set("heard", stubs.now)
        state:set("window", 30)
        state:set("current", "access_a")
        list:set(digest.sha256("good"), "u1|0|0|ok")
        list:set(digest.sha256("ending"), "u2|1010|0|ok")
        list:set(digest.sha256(""), "u3|0|0|ok")
        ngx.shared.access_b:set(digest.sha256("other"), "u4|0|0|ok")
        put_rules {}
    end)

    -- The letter-less name of the check that refuses, or true.
    local function ask(request)
        requests.request(request)
        -- The gate looks at its state once for each moment.
        stubs.now = stubs.now + 0.001
        local verdict, subject = gate.check(ngx.now())
        return verdict == true or verdict.check, verdict, subject
    end

    local function passes(token)
        return ask { query = { token = token } } == true
    end

    it("S0-2: lets a listed token pass", function()
        assert.is_true(passes("good"))
        assert.is_false(passes("bad"))
        local _, _, subject = ask { query = { token = "good" } }
        assert.equal("u1", subject.user)
        assert.equal(digest.sha256("good"), subject.hash)
    end)

    it("S0-2: wants exactly one token that looks like one", function()
        local is_token = require("places").is_token
        assert.is_false(passes(nil))
        assert.is_false(passes(true))
        assert.is_false(passes(""))
        assert.is_false(passes({ "good", "good" }))
        assert.is_false(is_token("a b"))
        assert.is_false(is_token("a\0"))
        assert.is_false(is_token(("a"):rep(257)))
        assert.is_true(is_token(("a"):rep(256)))
    end)

    it("looks at the end of a user's time with every request", function()
        assert.is_true(passes("ending"))
        stubs.now = 1009.9
        assert.is_true(passes("ending"))
        stubs.now = 1010
        assert.is_false(passes("ending"))
    end)

    it("asks the current list alone", function()
        assert.is_false(passes("other"))
        state:set("current", "access_b")
        assert.is_true(passes("other"))
        assert.is_false(passes("good"))
    end)

    it("S0-12: follows a change of the list with the next request", function()
        assert.is_true(passes("good"))
        for _, value in ipairs { "u1|0|0|off", "u1|0|0|over", "u1|999|0|ok", "nonsense", "u1|0|0|fine" } do
            list:set(digest.sha256("good"), value)
            assert.is_false(passes("good"), value)
        end
        list:delete(digest.sha256("good"))
        assert.is_false(passes("good"))
        list:set(digest.sha256("good"), "u9|0|0|ok")
        local _, _, subject = ask { query = { token = "good" } }
        assert.equal("u9", subject.user)
    end)

    it("denies when the control plane is silent, and when the clock was set back", function()
        stubs.now = 1029
        assert.is_true(passes("good"))
        stubs.now = 1030
        assert.equal("state", ask { query = { token = "good" } })
        stubs.now = 969
        assert.equal("state", ask { query = { token = "good" } })
    end)

    it("stale: serves from the last state so many seconds longer", function()
        put_rules { failMode = { mode = "stale", seconds = 100 } }
        stubs.now = 1129
        assert.is_true(passes("good"))
        assert.is_false(passes("ending"))
        stubs.now = 1130
        assert.is_false(passes("good"))
    end)

    it("allow: the last state holds for ever, but nobody else passes", function()
        put_rules { failMode = { mode = "allow" } }
        stubs.now = 1e9
        assert.is_true(passes("good"))
        assert.is_false(passes("ending"))
        assert.is_false(passes("bad"))
        list:set(digest.sha256("good"), "u1|0|0|off")
        assert.is_false(passes("good"))
    end)

    it("S0-10: denies without state, whatever the fail mode", function()
        for _, mode in ipairs { "deny", "stale", "allow" } do
            put_rules { failMode = { mode = mode, seconds = 100 }, skip = { { match = "prefix", value = "/" } } }
            assert.is_true(passes("good"))
            for _, value in ipairs { "no such list", "" } do
                state:set("current", value)
                assert.equal("state", ask { query = { token = "good" } })
            end
            state:delete("current")
            assert.equal("state", ask { query = { token = "good" } })
            state:set("current", "access_a")
        end
        for _, key in ipairs { "heard", "window" } do
            put_rules {}
            local value = state:get(key)
            state:delete(key)
            assert.equal("state", ask { query = { token = "good" } })
            state:set(key, value)
        end
    end)

    it("denies with rules that cannot be used", function()
        ngx.shared.config_cache:set("rules", "{")
        ngx.shared.config_cache:set("rules_version", "broken")
        assert.equal("state", ask { query = { token = "good" } })
        put_rules { block = { { when = { field = "path", match = "regex", value = "(" } } } }
        assert.equal("state", ask { query = { token = "good" } })
    end)

    -- Every check refuses this request; taking the first one away shows the next.
    it("S1-11: the checks come in their order, the skip list first", function()
        local token = "bad"
        local rules = {
            skip = { { match = "prefix", value = "/open/" } },
            block = { { when = { field = "path", match = "prefix", value = "/" }, reason = "closed" } },
            enforce = { { when = { field = "user", value = "u1" }, action = "reject", reason = "misuse" } },
            limits = { { by = "user", perSecond = 1 } },
            quotas = { requestsPerDay = 1 },
            sessions = { max = 1 },
            allow = { clients = { "emby" } },
        }
        require("rate_limiter").allow("user", "u1", 1)
        require("rate_limiter").quota("u1", { requestsPerDay = 1 })
        require("session_checker").enter("u1", "another device", nil, 1, "reject")
        local function expect(check, path)
            put_rules(rules)
            assert.equal(check, (ask { path = path or "/open/a", query = { token = token } }))
        end
        expect(true)
        rules.skip = nil
        expect("block")
        rules.block = nil
        expect("token")
        token = "good"
        expect("enforce")
        rules.enforce = nil
        expect("rate")
        rules.limits = nil
        expect("quota")
        rules.quotas = nil
        expect("sessions")
        rules.sessions = nil
        expect("client")
        rules.allow = nil
        expect(true)
    end)

    it("S1-11: denies what a rule names, by address, path, User-Agent, client, device and user", function()
        local address = "\10\1\2\3"
        local agent = "Emby/4.7.0"
        local headers = { ["x-emby-device-id"] = "tv-1" }
        for field, value in pairs {
            ip = "10.1.0.0/16", path = "/x", userAgent = agent, client = "emby", device = "tv-1", user = "u1",
        } do
            for part, check in pairs { block = "block", enforce = "enforce" } do
                put_rules { [part] = { { when = { field = field, value = value }, action = "reject" } } }
                local request = {
                    path = "/x", query = { token = "good" }, headers = headers, address = address, agent = agent,
                }
                assert.equal(check, (ask(request)), field)
                request = { path = "/y", query = { token = "ending" } }
                assert.is_true(ask(request), field)
            end
        end
    end)

    it("a throttled user has a rate, and any rule that rejects comes first", function()
        local rule = { when = { field = "user", value = "u1" }, action = "throttle", bytesPerSecond = 2048 }
        put_rules { enforce = { rule } }
        local _, _, subject = ask { query = { token = "good" } }
        assert.equal(2048, subject.rate)
        put_rules {
            enforce = {
                { when = { field = "user", value = "u1" }, action = "throttle", bytesPerSecond = 2048 },
                { when = { field = "path", value = "/" }, action = "reject", reason = "no" },
            },
        }
        assert.equal("enforce", (ask { query = { token = "good" } }))
    end)

    it("gives the place back when the client is refused after it was taken", function()
        put_rules { sessions = { max = 1 }, allow = { clients = { "emby" } } }
        assert.equal("client", (ask { query = { token = "good" }, agent = "curl/8" }))
        assert.is_true((ask { query = { token = "good" }, agent = "Emby/4.7" }))
    end)

    it("S1-14: a plan's number of devices comes before the service's", function()
        list:set(digest.sha256("good"), "u1|0|2|ok")
        put_rules { sessions = { max = 1 } }
        for number, expected in ipairs { true, true, "sessions" } do
            assert.equal(expected, (ask { query = { token = "good" }, agent = "device " .. number }))
        end
    end)

    describe("a tunnel goes on", function()
        local subject

        before_each(function()
            local verdict, _, found = ask { path = "/vl", query = { token = "good" } }
            assert.is_true(verdict)
            subject = found
            assert.is_true(subject.tunnel)
            assert.is_true(gate.still(subject.hash, subject))
        end)

        local function goes_on()
            stubs.now = stubs.now + 0.001
            return gate.still(subject.hash, subject)
        end

        local function ends(check)
            local ok, why = goes_on()
            assert.is_nil(ok)
            assert.equal(check, why)
        end

        it("until the user is revoked, off, over or expired", function()
            for _, value in ipairs { "u1|0|0|off", "u1|0|0|over", "u1|1|0|ok" } do
                list:set(subject.hash, value)
                ends("token")
            end
            list:delete(subject.hash)
            ends("token")
        end)

        it("until the control plane is silent for too long", function()
            stubs.now = 1030
            ends("state")
        end)

        it("until a rule says no, and with the rate that rules give it", function()
            local rule = { when = { field = "user", value = "u1" }, action = "throttle", bytesPerSecond = 4096 }
            put_rules { enforce = { rule } }
            assert.is_true(goes_on())
            assert.equal(4096, subject.rate)
            put_rules { block = { { when = { field = "user", value = "u1" } } } }
            ends("block")
            put_rules { allow = { clients = { "emby" } } }
            ends("client")
            put_rules {}
            assert.is_true(goes_on())
            assert.is_nil(subject.rate)
        end)

        it("until its quota is used up, or another device takes its place", function()
            put_rules { quotas = { bytesPerDay = 100 } }
            assert.is_true(goes_on())
            require("rate_limiter").spent("u1", 100, ngx.now())
            ends("quota")
            put_rules {}
            require("session_checker").enter("u1", "newer", nil, 1, "kick_oldest")
            ends("sessions")
        end)
    end)
end)
