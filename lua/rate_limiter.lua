-- Limits by second and minute (L1) and quotas by day and month, counted in a dict that all workers share. What other
-- counters than ours know of a user's quotas (L2) lies there as an estimate; nobody waits for it.

local ngx = ngx
local date = os.date
local floor = math.floor

local dict = ngx.shared.rate_limit

local DAY_SECONDS = 2 * 86400
local MONTH_SECONDS = 32 * 86400

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
    local now = look(ngx.now())
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

local function known(what, user, period)
    return (dict:get(what .. user .. "|" .. period) or 0) + (dict:get("e" .. what .. user .. "|" .. period) or 0)
end

-- Counts one more request; false when it is one too many, and then it was not counted.
local function count_request(user, most, period, seconds)
    if not most then
        return true
    end
    local key = REQUESTS .. user .. "|" .. period
    local others = dict:get("e" .. key) or 0
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
    local now = look(ngx.now())
    if quotas.bytesPerDay and known(BYTES, user, now.day) >= quotas.bytesPerDay then
        return nil, "the traffic of the day is used up", until_tomorrow(now.at)
    end
    if quotas.bytesPerMonth and known(BYTES, user, now.month) >= quotas.bytesPerMonth then
        return nil, "the traffic of the month is used up", until_next_month(now.at)
    end
    return true
end

-- Counts one request of a user against `quotas` ({requestsPerDay?, requestsPerMonth?, bytesPerDay?, bytesPerMonth?}).
-- True, or nil, why not and the seconds until there is a new quota.
function _M.quota(user, quotas)
    local ok, reason, retry = _M.has_bytes(user, quotas)
    if not ok then
        return nil, reason, retry
    end
    local now = look(ngx.now())
    if not count_request(user, quotas.requestsPerDay, now.day, DAY_SECONDS) then
        return nil, "the requests of the day are used up", until_tomorrow(now.at)
    end
    if not count_request(user, quotas.requestsPerMonth, now.month, MONTH_SECONDS) then
        return nil, "the requests of the month are used up", until_next_month(now.at)
    end
    return true
end

-- Counts bytes that a user moved at `at` (epoch seconds).
function _M.spent(user, bytes, at)
    local now = look(at)
    dict:incr(BYTES .. user .. "|" .. now.day, bytes, 0, DAY_SECONDS)
    dict:incr(BYTES .. user .. "|" .. now.month, bytes, 0, MONTH_SECONDS)
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
end

return _M
