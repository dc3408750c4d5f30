local stubs = require "stubs"
local digest = require "digest"

describe("gate", function()
    local gate, state

    before_each(function()
        stubs.reset()
        gate = require "gate"
        state = ngx.shared.state
        state:set("heard", stubs.now)
        state:set("window", 30)
        state:set("current", "access_a")
        ngx.shared.access_a:set(digest.sha256("good"), 0)
        ngx.shared.access_a:set(digest.sha256("ending"), 1010)
        ngx.shared.access_a:set(digest.sha256(""), 0)
        ngx.shared.access_b:set(digest.sha256("other"), 0)
        stubs.arguments = { token = "good" }
    end)

    local function passes(token)
        stubs.arguments = { token = token }
        return gate.pass()
    end

    it("lets a listed token pass", function()
        assert.is_true(passes("good"))
        assert.is_false(passes("bad"))
    end)

    it("wants exactly one token that looks like one", function()
        assert.is_false(passes(nil))
        assert.is_false(passes(true))
        assert.is_false(passes(""))
        assert.is_false(passes({ "good", "good" }))
        assert.is_nil(gate.token { token = "a b" })
        assert.is_nil(gate.token { token = "a\0" })
        assert.is_nil(gate.token { token = ("a"):rep(257) })
        assert.equal(256, #gate.token { token = ("a"):rep(256) })
    end)

    it("looks at the end of a token with every request", function()
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

    it("denies when the control plane is silent, and when the clock was set back", function()
        stubs.now = 1029
        assert.is_true(passes("good"))
        stubs.now = 1030
        assert.is_false(passes("good"))
        stubs.now = 970
        assert.is_false(passes("good"))
    end)

    it("denies without state", function()
        for _, key in ipairs { "heard", "window", "current" } do
            local value = state:get(key)
            state:delete(key)
            assert.is_false(passes("good"), key)
            state:set(key, value)
        end
        state:set("current", "no such list")
        assert.is_false(passes("good"))
    end)
end)
