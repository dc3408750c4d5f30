local stubs = require "stubs"
local requests = require "request_stubs"

describe("rate limiter", function()
    local limiter

    before_each(function()
        requests.reset()
        limiter = require "rate_limiter"
        stubs.now = os.time { year = 2026, month = 11, day = 30, hour = 12 }
    end)

    local function allowed(count, ...)
        local passed = 0
        for _ = 1, count do
            passed = passed + (limiter.allow(...) and 1 or 0)
        end
        return passed
    end

    it("S1-11: counts each window of a second and of a minute on its own", function()
        assert.equal(3, allowed(5, "user", "u1", 3, 5))
        stubs.now = stubs.now + 1
        assert.equal(2, allowed(5, "user", "u1", 3, 5))
        assert.equal(3, allowed(5, "user", "u2", 3, 5))
        assert.equal(3, allowed(5, "device", "u1", 3, 5))
        stubs.now = stubs.now + 60
        assert.equal(3, allowed(5, "user", "u1", 3, 5))
    end)

    it("says when another try may do better", function()
        local minute = math.floor(stubs.now / 60) * 60
        stubs.now = minute + 59
        assert.is_true(limiter.allow("ip", "a", nil, 1))
        assert.same({ nil, 1 }, { limiter.allow("ip", "a", nil, 1) })
        stubs.now = minute + 60
        assert.is_true(limiter.allow("ip", "a", nil, 1))
        assert.same({ nil, 60 }, { limiter.allow("ip", "a", nil, 1) })
    end)

    it("a clock that jumps back does not keep a window full", function()
        assert.equal(1, allowed(3, "user", "u1", 1))
        stubs.now = stubs.now - 3600
        assert.equal(1, allowed(3, "user", "u1", 1))
    end)

    it("S1-12: counts requests by day and month, with what others counted", function()
        local quotas = { requestsPerDay = 3, requestsPerMonth = 5 }
        local function used(count)
            local passed = 0
            for _ = 1, count do
                passed = passed + (limiter.quota("u1", quotas) and 1 or 0)
            end
            return passed
        end
        assert.equal(3, used(10))
        assert.same({ 3, 0 }, { limiter.counted("u1", os.date("!%Y-%m-%d", stubs.now)) })
        stubs.now = stubs.now + 86400
        assert.equal(3, used(10))
        limiter.put_estimate("u1", os.date("!%Y-%m", stubs.now), 1, 0)
        stubs.now = stubs.now + 86400
        assert.equal(1, used(10))
        local _, reason, retry = limiter.quota("u1", quotas)
        assert.matches("month", reason)
        assert.is_true(retry > 27 * 86400 and retry <= 30 * 86400)
    end)

    it("S1-12: counts bytes, and begins anew with the day and the month", function()
        local quotas = { bytesPerDay = 100, bytesPerMonth = 1000 }
        limiter.spent("u1", 99, stubs.now)
        assert.is_true(limiter.has_bytes("u1", quotas))
        limiter.spent("u1", 1, stubs.now)
        local ok, reason, retry = limiter.has_bytes("u1", quotas)
        assert.is_nil(ok)
        assert.matches("day", reason)
        assert.equal(86400 - stubs.now % 86400, retry)
        stubs.now = stubs.now + 86400
        assert.is_true(limiter.has_bytes("u1", quotas))
        limiter.put_estimate("u1", os.date("!%Y-%m", stubs.now), 0, 1000)
        assert.is_nil(limiter.has_bytes("u1", quotas))
        assert.is_true(limiter.has_bytes("u2", quotas))
    end)
end)
