local stubs = require "stubs"
local requests = require "request_stubs"

describe("session checker", function()
    local checker

    -- Another worker of the same nginx: what the modules remember is its own, the shared dicts are not.
    local function other_worker()
        stubs.pid = stubs.pid + 1
        for _, name in ipairs { "session_checker", "session_record" } do
            package.loaded[name] = nil
        end
        return require "session_checker"
    end

    before_each(function()
        requests.reset()
        checker = require "session_checker"
    end)

    it("S1-14: reject: as many devices as there are places", function()
        assert.is_true(checker.enter("u", "a", "emby", 2, "reject"))
        assert.is_true(checker.enter("u", "b", "emby", 2, "reject"))
        local ok, reason = checker.enter("u", "c", "emby", 2, "reject")
        assert.is_nil(ok)
        assert.equal("too many devices at once", reason)
        assert.is_true(checker.enter("u", "a", "emby", 2, "reject"))
        assert.is_true(checker.enter("v", "c", "emby", 2, "reject"))
        assert.is_nil((other_worker().enter("u", "c", "emby", 2, "reject")))
    end)

    it("any number without a limit, and all are told", function()
        for device = 1, 100 do
            assert.is_true(checker.enter("u", "d" .. device, nil, 0, "reject"))
        end
        assert.equal(64, #checker.list())
    end)

    it("no room in the shared dict refuses only those whom something limits", function()
        ngx.shared.session_store.safe_set = function()
            return nil, "no memory"
        end
        assert.is_true(checker.enter("u", "a", nil, 0, "reject"))
        assert.is_nil((checker.enter("u", "a", nil, 2, "reject")))
    end)

    it("S1-13: a device is gone 90 seconds after its last sign of life", function()
        checker.enter("u", "a", nil, 1, "reject")
        checker.leave("u", "a")
        stubs.now = stubs.now + 89
        assert.is_nil((checker.enter("u", "b", nil, 1, "reject")))
        stubs.now = stubs.now + 1
        assert.is_true(checker.enter("u", "b", nil, 1, "reject"))
    end)

    it("S1-13: the session heartbeat keeps a device alive that holds a connection", function()
        checker.enter("u", "a", nil, 1, "reject")
        for _ = 1, 10 do
            stubs.now = stubs.now + 30
            requests.beat(false)
        end
        assert.is_nil((checker.enter("u", "b", nil, 1, "reject")))
        assert.equal(1, checker.list()[1].connections)
        checker.leave("u", "a")
        for _ = 1, 4 do
            stubs.now = stubs.now + 30
            requests.beat(false)
        end
        assert.is_true(checker.enter("u", "b", nil, 1, "reject"))
    end)

    it("the end of a tunnel frees the place, unless another worker has one more", function()
        checker.enter("u", "a", nil, 1, "reject")
        local second = other_worker()
        second.enter("u", "a", nil, 1, "reject")
        stubs.pid = stubs.pid - 1
        checker.leave("u", "a", true)
        stubs.pid = stubs.pid + 1
        assert.is_nil((second.enter("u", "b", nil, 1, "reject")))
        second.leave("u", "a", true)
        assert.is_true(second.enter("u", "b", nil, 1, "reject"))
    end)

    it("S1-14: kick_oldest: the oldest is sent away in every worker, and stays away for a while", function()
        checker.enter("u", "a", nil, 2, "kick_oldest")
        stubs.now = stubs.now + 1
        checker.enter("u", "b", nil, 2, "kick_oldest")
        stubs.now = stubs.now + 1
        assert.is_true(other_worker().enter("u", "c", nil, 2, "kick_oldest"))
        assert.is_true(checker.kicked("u", "a"))
        assert.is_false(checker.kicked("u", "b"))
        assert.is_nil((checker.enter("u", "a", nil, 2, "kick_oldest")))
        assert.is_true(checker.enter("u", "b", nil, 2, "kick_oldest"))
        stubs.now = stubs.now + 90
        assert.is_true(checker.enter("u", "a", nil, 2, "kick_oldest"))
    end)

    it("S1-14: queue: waits for ten seconds at most", function()
        checker.enter("u", "a", nil, 1, "queue")
        stubs.on_sleep = function()
            stubs.now = stubs.now + 0.25
        end
        local began = stubs.now
        assert.is_nil((checker.enter("u", "b", nil, 1, "queue")))
        assert.equal(10, stubs.now - began)
        stubs.on_sleep = function()
            stubs.now = stubs.now + 0.25
            checker.leave("u", "a", true)
        end
        assert.is_true(checker.enter("u", "b", nil, 1, "queue"))
    end)

    it("S1-14: counts the devices on other nodes, the same one once", function()
        checker.put_elsewhere { u = { { "x", 1 }, { "y", 2 } } }
        assert.is_nil((checker.enter("u", "a", nil, 2, "reject")))
        assert.is_true(checker.enter("u", "x", nil, 2, "reject"))
        checker.put_elsewhere { u = {} }
        assert.is_true(checker.enter("u", "a", nil, 2, "reject"))
        checker.put_elsewhere { u = "nonsense", v = { 7, { 8 }, { "z" } } }
        assert.is_true(checker.enter("v", "a", nil, 1, "reject"))
    end)

    it("S1-14: two nodes that let in one device each come to the same end", function()
        checker.enter("u", "here", nil, 1, "kick_oldest")
        checker.put_elsewhere { u = { { "there", stubs.now + 5 } } }
        assert.is_true(checker.kicked("u", "here"))
        requests.reset()
        checker = require "session_checker"
        checker.enter("u", "here", nil, 1, "reject")
        checker.put_elsewhere { u = { { "there", stubs.now + 5 } } }
        assert.is_false(checker.kicked("u", "here"))
        checker.put_elsewhere { u = { { "there", stubs.now - 5 } } }
        assert.is_true(checker.kicked("u", "here"))
    end)

    it("a lock of a worker that died is not waited for longer than a second", function()
        ngx.shared.session_store:add("l|u", true, 1)
        stubs.on_sleep = function()
            stubs.now = stubs.now + 0.2
        end
        assert.is_true(checker.enter("u", "a", nil, 1, "reject"))
    end)
end)
