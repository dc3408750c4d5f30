-- Limits by second and minute (L1) and quotas by day and month, counted in a dict that all workers share. What other
-- counters than ours know of a user's quotas (L2) lies there as an estimate; nobody waits for it.

local clock = require "clock"
local memo = require "memo"

local ngx = ngx
local date = os.date
local floor = math.floor

local dict = ngx.shared.rate_limit

local DAY_SECONDS = 2 * 86400
local MONTH_SECONDS = 32 * 86400
local USERS = 16384 -- of whom a worker remembers how they stand, for a second

-- Names of what is counted, and how the key of each begins.
local REQUESTS, BYTES = "qr", "qb"

local _M = {}

-- The windows in which we are; their names are made once a second. A window has its number in its key, so a clock
-- that jumps finds other counters, not a full one that never ends.
local windows = { at = -1, second = "", minute = "", day = "", month = "" }

local function look(now)
    local at = floor(now)
    if at ~= windows.at then
        windows.at = at
        windows.second = ":" .. at
        windows.minute = "." .. floor(at / 60)
        windows.day = date("!%Y-%m-%d", at)
        windows.month = date("!%Y-%m", at)
    end
    return windows
end

-- Counts one request by `by` ("ip", "user", "device", "global") and `key`. True, or nil and the seconds until the
-- window that is full ends.
function _M.allow(by, key, per_second, per_minute)
    local now = look(clock.now())
    if per_second then
        local count = dict:incr(by .. key .. now.second, 1, 0, 2)
        if not count or count > per_second then
            return nil, 1
        end
    end
    if per_minute then
        local count = dict:incr(by .. key .. now.minute, 1, 0, 90)
        if not count or count > per_minute then
            return nil, 60 - now.at % 60
        end
    end
    return true
end

local function until_tomorrow(at)
    return 86400 - at % 86400
end

local function until_next_month(at)
    local today = date("!*t", at)
    local first = { year = today.year, month = today.month, day = 1, hour = 12 }
    local next_first = { year = today.year, month = today.month + 1, day = 1, hour = 12 }
    local days = floor((os.time(next_first) - os.time(first)) / 86400 + 0.5)
    return (days - today.day) * 86400 + until_tomorrow(at)
end

local function estimate(what, user, period)
    return dict:get("e" .. what .. user .. "|" .. period) or 0
end

local function bytes_of(user, period)
    return (dict:get(BYTES .. user .. "|" .. period) or 0) + estimate(BYTES, user, period)
end

-- What of a user's quotas changes once a second at most, since bytes are counted and estimates left no oftener.
local standings = memo.new(USERS)

local function refresh(standing, user, quotas, now)
    standing.at, standing.quotas, standing.reason, standing.retry = now.at, quotas, nil, nil
    standing.day = quotas.requestsPerDay and estimate(REQUESTS, user, now.day)
    standing.month = quotas.requestsPerMonth and estimate(REQUESTS, user, now.month)
    if quotas.bytesPerDay and bytes_of(user, now.day) >= quotas.bytesPerDay then
        standing.reason, standing.retry = "the traffic of the day is used up", until_tomorrow(now.at)
    elseif quotas.bytesPerMonth and bytes_of(user, now.month) >= quotas.bytesPerMonth then
        standing.reason, standing.retry = "the traffic of the month is used up", until_next_month(now.at)
    end
end

local function standing_of(user, quotas, now)
    local standing = standings:get(user)
    if not standing then
        standing = {}
        standings:set(user, standing)
    end
    if standing.at ~= now.at or standing.quotas ~= quotas then
        refresh(standing, user, quotas, now)
    end
    return standing
end

-- What this worker remembers of a user does not hold any more.
local function forget(user)
    local standing = standings:get(user)
    if standing then
        standing.at = nil
    end
end

-- Counts one more request; false when it is one too many, and then it was not counted.
local function count_request(user, most, others, period, seconds)
    local key = REQUESTS .. user .. "|" .. period
    local count = dict:incr(key, 1, 0, seconds)
    if count and count + others <= most then
        return true
    end
    if count then
        dict:incr(key, -1)
    end
    return false
end

-- Whether a user has bytes left: true, or nil, why not and the seconds until there are new ones. Counts nothing.
function _M.has_bytes(user, quotas)
    local standing = standing_of(user, quotas, look(clock.now()))
    if standing.reason then
        return nil, standing.reason, standing.retry
    end
    return true
end

-- Counts one request of a user against `quotas` ({requestsPerDay?, requestsPerMonth?, bytesPerDay?, bytesPerMonth?}).
-- True, or nil, why not and the seconds until there is a new quota.
function _M.quota(user, quotas)
    local now = look(clock.now())
    local standing = standing_of(user, quotas, now)
    if standing.reason then
        return nil, standing.reason, standing.retry
    end
    local day, month = standing.day, standing.month
    if day and not count_request(user, quotas.requestsPerDay, day, now.day, DAY_SECONDS) then
        return nil, "the requests of the day are used up", until_tomorrow(now.at)
    end
    if month and not count_request(user, quotas.requestsPerMonth, month, now.month, MONTH_SECONDS) then
        if day then
            dict:incr(REQUESTS .. user .. "|" .. now.day, -1)
        end
        return nil, "the requests of the month are used up", until_next_month(now.at)
    end
    return true
end

-- Counts bytes that a user moved at `at` (epoch seconds).
function _M.spent(user, bytes, at)
    local now = look(at)
    dict:incr(BYTES .. user .. "|" .. now.day, bytes, 0, DAY_SECONDS)
    dict:incr(BYTES .. user .. "|" .. now.month, bytes, 0, MONTH_SECONDS)
    forget(user)
end

-- What we counted ourselves for a user in a period (`2026-11-21` or `2026-11`): requests, bytes.
function _M.counted(user, period)
    return dict:get(REQUESTS .. user .. "|" .. period) or 0, dict:get(BYTES .. user .. "|" .. period) or 0
end

-- What others counted for a user in a period, besides what we did. Holds until the period is over.
function _M.put_estimate(user, period, requests, bytes)
    local seconds = #period == 7 and MONTH_SECONDS or DAY_SECONDS
    dict:set("e" .. REQUESTS .. user .. "|" .. period, requests, seconds)
    dict:set("e" .. BYTES .. user .. "|" .. period, bytes, seconds)
    forget(user)
end

return _M
