local stubs = require "stubs"

describe("pace", function()
    local pace

    before_each(function()
        stubs.reset()
        ngx.shared.rate_limit = stubs.dict()
        package.loaded.pace = nil
        pace = require "pace"
    end)

    it("lets half a second go ahead, then holds the rate for all of a user together", function()
        assert.equal(0, pace.wait("u", 500, 1000))
        assert.equal(0.25, pace.wait("u", 250, 1000))
        assert.equal(0.5, pace.wait("u", 250, 1000))
        assert.equal(0, pace.wait("other", 500, 1000))
    end)

    it("saves nothing up", function()
        pace.wait("u", 1000, 1000)
        stubs.now = stubs.now + 3600
        assert.equal(0, pace.wait("u", 500, 1000))
        assert.equal(0.5, pace.wait("u", 500, 1000))
    end)
end)
