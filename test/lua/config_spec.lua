local stubs = require "stubs"
local digest = require "digest"

local function hex(number)
    return ("%064x"):format(number)
end

local function list(count)
    local access = {}
    for i = 1, count do
        access[hex(i)] = i
    end
    return access
end

describe("config", function()
    local config, state

    before_each(function()
        stubs.reset()
        config = require "config"
        state = ngx.shared.state
    end)

    local function expiry(number)
        local current = state:get("current")
        return current and ngx.shared[current]:get(digest.from_hex(hex(number)))
    end

    it("puts a list in force under its version", function()
        assert.is_nil(config.version())
        assert.equal(3, config.apply { version = "v1", access = list(3) })
        assert.equal("v1", config.version())
        assert.equal(2, expiry(2))
    end)

    it("replaces the whole list", function()
        config.apply { version = "v1", access = list(3) }
        config.apply { version = "v2", access = { [hex(9)] = 0 } }
        assert.is_nil(expiry(2))
        assert.equal(0, expiry(9))
        config.apply { version = "v3", access = {} }
        assert.is_nil(expiry(9))
        assert.equal("v3", config.version())
        assert.equal(0, ngx.shared[state:get("current")]:size())
    end)

    it("shows the old list whole until the new one is whole, and gives way in between", function()
        config.apply { version = "v1", access = list(1) }
        local seen = {}
        stubs.on_sleep = function()
            table.insert(seen, config.version() .. "/" .. tostring(expiry(1)) .. "/" .. tostring(expiry(5000)))
        end
        config.apply { version = "v2", access = list(5000) }
        assert.is_true(#seen >= 5)
        for _, state_seen in ipairs(seen) do
            assert.equal("v1/1/nil", state_seen)
        end
        assert.equal(5000, expiry(5000))
    end)

    local bad = {
        ["an upper-case name"] = { [hex(255):upper()] = 0 },
        ["a short name"] = { abc = 0 },
        ["a list"] = { 1, 2 },
        ["a negative end"] = { [hex(1)] = -1 },
        ["a broken end"] = { [hex(1)] = 1.5 },
        ["an endless end"] = { [hex(1)] = math.huge },
        ["no number"] = { [hex(1)] = 0 / 0 },
        ["text"] = { [hex(1)] = "0" },
    }
    for what, access in pairs(bad) do
        it("refuses " .. what .. " and keeps the old list", function()
            config.apply { version = "v1", access = list(3) }
            local count, err, bad_moment = config.apply { version = "v2", access = access }
            assert.is_nil(count)
            assert.is_string(err)
            assert.is_falsy(bad_moment)
            assert.equal("v1", config.version())
            assert.equal(3, expiry(3))
        end)
    end

    it("refuses a list that does not fit, whole", function()
        config.apply { version = "v1", access = list(3) }
        ngx.shared.access_a, ngx.shared.access_b = ngx.shared.access_a, stubs.dict(10)
        local count, err = config.apply { version = "v2", access = list(11) }
        assert.is_nil(count)
        assert.equal("the list does not fit: no memory", err)
        assert.equal(3, expiry(3))
    end)

    it("stops for a reload, which is nobody's fault", function()
        config.apply { version = "v1", access = list(1) }
        stubs.on_sleep = function()
            stubs.exiting = true
        end
        local count, err, bad_moment = config.apply { version = "v2", access = list(5000) }
        assert.is_nil(count)
        assert.equal("nginx is reloading", err)
        assert.is_true(bad_moment)
        assert.equal("v1", config.version())
    end)

    it("lets one worker apply at a time, and the next one after a failure", function()
        local second
        stubs.on_sleep = function()
            second = second or { config.apply { version = "v3", access = {} } }
        end
        config.apply { version = "v2", access = list(1000) }
        assert.same({ nil, "another worker is applying a list", true }, second)
        assert.equal("v2", config.version())
        stubs.on_sleep = nil
        assert.is_nil(config.apply { version = "v4", access = { x = 1 } })
        assert.equal(0, config.apply { version = "v5", access = {} })
    end)

    it("checks the shape of a document", function()
        assert.is_true(config.check { version = "v1", access = {} })
        local documents = {
            "text",
            {},
            { version = 1, access = {} },
            { version = "", access = {} },
            { version = "a b", access = {} },
            { version = "v\n", access = {} },
            { version = ("v"):rep(65), access = {} },
            { version = "v1" },
            { version = "v1", access = "x" },
        }
        for _, document in ipairs(documents) do
            local ok, err = config.check(document)
            assert.is_nil(ok)
            assert.is_string(err)
        end
    end)
end)
