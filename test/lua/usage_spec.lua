local stubs = require "stubs"
local requests = require "request_stubs"

describe("usage", function()
    local usage

    local function other_worker()
        package.loaded.usage = nil
        return require "usage"
    end

    before_each(function()
        requests.reset()
        stubs.now = 86400 * 10 + 100
        usage = require "usage"
    end)

    it("S1-13: adds up over workers, and gives everything once", function()
        usage.add("u", 1, 10, 1)
        usage.add("u", 2, 20, 1)
        local second = other_worker()
        second.add("u", 4, 40, 1)
        second.add("v", 8, 80, 1)
        assert.is_nil(usage.take(100))
        requests.run_timers()
        assert.same({ day = "1970-01-11", users = { u = { 7, 70, 3 }, v = { 8, 80, 1 } } }, usage.take(100))
        assert.is_nil(usage.take(100))
    end)

    it("keeps days apart: what was counted before midnight is of the day before", function()
        usage.add("u", 1, 0, 1)
        stubs.now = 86400 * 11 + 1
        usage.add("u", 2, 0, 1)
        requests.run_timers()
        assert.same({ day = "1970-01-11", users = { u = { 1, 0, 1 } } }, usage.take(100))
        assert.same({ day = "1970-01-12", users = { u = { 2, 0, 1 } } }, usage.take(100))
    end)

    it("takes about as many users as asked for", function()
        for user = 1, 300 do
            usage.add("u" .. user, 1, 1, 1)
        end
        requests.run_timers()
        local seen, batches = 0, 0
        for batch in function() return usage.take(100) end do
            batches = batches + 1
            for _ in pairs(batch.users) do
                seen = seen + 1
            end
        end
        assert.equal(300, seen)
        assert.is_true(batches >= 2 and batches <= 3)
    end)

    it("loses nothing while there is no room", function()
        ngx.shared.usage = requests.dict(1)
        usage = other_worker()
        usage.add("u", 1, 1, 1)
        requests.run_timers()
        usage.add("u", 2, 2, 1)
        requests.run_timers()
        assert.same({ 1, 1, 1 }, usage.take(100).users.u)
        requests.run_timers()
        assert.same({ 2, 2, 1 }, usage.take(100).users.u)
    end)

    it("a worker that ends leaves what it has", function()
        usage.add("u", 1, 1, 1)
        requests.run_timers(true)
        assert.same({ 1, 1, 1 }, usage.take(100).users.u)
        ngx.timer.at = function()
            return nil, "process exiting"
        end
        usage.add("u", 2, 2, 1)
        assert.same({ 2, 2, 1 }, usage.take(100).users.u)
    end)

    it("counts bytes for quotas", function()
        usage.add("u", 30, 70, 1)
        requests.run_timers()
        assert.is_nil((require("rate_limiter").has_bytes("u", { bytesPerDay = 100 })))
    end)
end)

describe("telemetry", function()
    local telemetry

    before_each(function()
        requests.reset()
        telemetry = require "telemetry"
    end)

    it("S1-13: gives 500 and 200 entries at once at most, the oldest first, each once", function()
        for n = 1, 700 do
            telemetry.access { path = "/" .. n }
            telemetry.blocked { check = "rate", id = tostring(n) }
        end
        local batch = telemetry.take()
        assert.equal(500, #batch.access)
        assert.equal(200, #batch.blocked)
        assert.equal("/1", batch.access[1].path)
        assert.equal(200, #telemetry.take().access)
        telemetry.take()
        assert.equal(100, #telemetry.take().blocked)
        assert.is_nil(telemetry.take())
    end)

    it("is bounded, counts what it drops, and keeps room for those who have a token", function()
        for _ = 1, 3000 do
            telemetry.blocked { check = "token" }
        end
        telemetry.blocked { check = "quota", id = "mine" }
        assert.equal(2000, telemetry.take().dropped)
        local last
        for batch in telemetry.take do
            last = batch.blocked[#batch.blocked]
        end
        assert.equal("mine", last.id)
    end)

    it("tells a few requests of each second, and counts the others", function()
        local told = 0
        for _ = 1, 50 do
            told = told + (telemetry.wants(1000.5) and 1 or 0)
        end
        assert.equal(10, told)
        assert.is_true(telemetry.wants(1001))
        assert.equal(40, telemetry.take().dropped)
    end)
end)
