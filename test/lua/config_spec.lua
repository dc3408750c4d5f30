local stubs = require "stubs"

local function document(over)
    local built = { version = "v1", service = { name = "default", rules = { skip = { "a" } } } }
    for name, value in pairs(over or {}) do
        built[name] = value
    end
    return built
end

local function revision(version, rules)
    return { version = version or "v1", rules = rules or { note = "a" }, files = {} }
end

describe("config", function()
    local config, apply, cache

    before_each(function()
        stubs.reset()
        package.loaded.rules = {
            compile = function(rules)
                if rules.throws then
                    error(rules.throws, 0)
                end
                return not rules.bad and {} or nil, rules.bad
            end,
        }
        apply = require "apply"
        config = require "config"
        cache = ngx.shared.config_cache
    end)

    it("puts the rules in force, then their version", function()
        assert.is_nil(config.version())
        assert.is_true(config.apply(revision()))
        assert.equal("v1", config.version())
        assert.equal('{"note":"a"}', cache:get("rules"))
        assert.equal("v1", cache:get("rules_version"))
    end)

    it("leaves rules that did not change alone", function()
        config.apply(revision())
        assert.is_true(config.apply(revision("v2")))
        assert.equal("v2", config.version())
        assert.equal("v1", cache:get("rules_version"))
        assert.is_true(config.apply(revision("v3", {})))
        assert.equal("v3", cache:get("rules_version"))
    end)

    it("S1-7: a server.conf that fails its test leaves the rules as they were", function()
        config.apply(revision())
        apply.stage = function()
            return nil, "[emerg] no"
        end
        local ok, err = config.apply(revision("v2", {}))
        assert.is_nil(ok)
        assert.equal("[emerg] no", err)
        assert.equal("v1", config.version())
        assert.equal('{"note":"a"}', cache:get("rules"))
    end)

    it("S1-7: a reload that fails takes the rules back", function()
        config.apply(revision())
        local seen
        apply.stage = function()
            return {}
        end
        apply.activate = function()
            seen = config.version() .. " " .. cache:get("rules")
            return nil, "bind() failed"
        end
        local ok, err = config.apply(revision("v2", { 1 }))
        assert.is_nil(ok)
        assert.equal("bind() failed", err)
        assert.equal("v2 [1]", seen)
        assert.equal("v1", config.version())
        assert.equal('{"note":"a"}', cache:get("rules"))
        assert.equal("v1", cache:get("rules_version"))
    end)

    it("refuses rules that do not fit", function()
        config.apply(revision())
        function cache.safe_set()
            return nil, "no memory"
        end
        local ok, err = config.apply(revision("v2", { 1 }))
        assert.is_nil(ok)
        assert.equal("the rules do not fit: no memory", err)
        assert.equal("v1", config.version())
    end)

    it("refuses rules that would close the gate", function()
        config.apply(revision())
        for _, rules in ipairs { { bad = "no such thing" }, { throws = "no such thing" } } do
            local ok, err = config.apply(revision("v2", rules))
            assert.is_nil(ok)
            assert.equal("the rules cannot be used: no such thing", err)
            assert.equal("v1", config.version())
            assert.equal('{"note":"a"}', cache:get("rules"))
        end
    end)

    it("one worker at a time", function()
        apply.stage = function()
            local ok, err, bad_moment = config.apply(revision("v3"))
            assert.same({ false, "another worker is applying a configuration", true }, { ok or false, err, bad_moment })
            return { idle = true }
        end
        assert.is_true(config.apply(revision()))
        assert.equal("v1", config.version())
    end)

    it("checks the shape of a document", function()
        assert.same({}, config.read(document()).files)
        assert.same({ ["server.conf"] = "server {}" }, config.read(document { serverConf = "server {}" }).files)
        assert.same({}, config.read(document { serverConf = require("cjson").null }).files)
        local documents = {
            "text",
            {},
            document { version = 1 },
            document { version = "" },
            document { version = "a b" },
            document { version = "v\n" },
            document { version = ("v"):rep(65) },
            document { service = "x" },
            document { service = {} },
            document { service = { rules = "x" } },
            document { serverConf = 7 },
        }
        for _, each in ipairs(documents) do
            local ok, err = config.read(each)
            assert.is_nil(ok)
            assert.is_string(err)
        end
    end)
end)
