local stubs = require "stubs"

describe("enforcement", function()
    local enforcement, hash, fault, getenv

    before_each(function()
        stubs.reset()
        ngx.shared.config_cache = stubs.dict()
        hash, fault = {}, nil
        getenv = os.getenv
        -- luacheck: push ignore 122
        os.getenv = function(name)
            return name == "REDIS_HOST" and "127.0.0.1" or getenv(name)
        end
        package.loaded.enforcement = nil
        enforcement = require "enforcement"
        os.getenv = getenv
        -- luacheck: pop
    end)

    local client = {
        call = function()
            if fault then
                return nil, fault
            end
            local flat = {}
            for user, action in pairs(hash) do
                table.insert(flat, user)
                table.insert(flat, action)
            end
            return { "0", flat }
        end,
    }

    it("refuses and slows down whom Redis names, and nobody else", function()
        hash = { bad = "reject", slow = "throttle:2048" }
        assert.is_true(enforcement.exchange(client, 100))
        assert.equal("reject", enforcement.of("bad"))
        assert.equal(2048, enforcement.of("slow"))
        assert.is_nil(enforcement.of("other"))
        hash = {}
        assert.is_true(enforcement.exchange(client, 200))
        assert.is_nil(enforcement.of("bad"))
    end)

    it("ignores what is no action, and names that would be two", function()
        hash = { a = "", b = "throttle:1", c = "throttle:x", d = "rejected", ["e|f"] = "reject", ["g\nh"] = "reject" }
        assert.is_true(enforcement.exchange(client, 100))
        for _, user in ipairs { "a", "b", "c", "d", "e", "f", "e|f", "g", "h" } do
            assert.is_nil(enforcement.of(user))
        end
    end)

    it("holds on to what was read last while Redis is away", function()
        hash = { bad = "reject" }
        enforcement.exchange(client, 100)
        fault = "away"
        assert.same({ nil, "away" }, { enforcement.exchange(client, 200) })
        assert.equal("reject", enforcement.of("bad"))
    end)

    it("takes no more than it can hold", function()
        for i = 1, 10001 do
            hash["u" .. i] = "reject"
        end
        assert.same({ nil, "actions against too many users" }, { enforcement.exchange(client, 100) })
    end)
end)
