-- Who moved how much. A worker adds up for a second, then leaves one text with its users in a queue of the shared
-- dict: leaving and taking are one step each, so nothing is lost between workers and nothing counted twice.

local clock = require "clock"
local rate_limiter = require "rate_limiter"

local ngx = ngx
local concat = table.concat
local date = os.date
local floor = math.floor
local gmatch = string.gmatch
local match = string.match
local next = next
local pairs = pairs
local tonumber = tonumber

local dict = ngx.shared.usage

local SECONDS = 1
local USERS_IN_TEXT = 64
local REPORT, SHARED = "report", "shared"
local MOST_SHARED = 4096 -- texts that wait for the counters shared through Redis

local _M = {}

local pending, pending_day, waiting = {}, nil, false

-- Redis on this machine is optional; without it nobody would take what was left for it.
local shares = os.getenv("REDIS_HOST") ~= nil

local function today(now)
    return floor(now / 86400)
end

local function leave(text)
    if not dict:rpush(REPORT, text) then
        return false
    end
    if shares and (dict:llen(SHARED) or 0) < MOST_SHARED then
        dict:rpush(SHARED, text)
    end
    return true
end

-- Leaves one text for at most so many users; those that found no room stay.
local function flush_some(now)
    local lines, users = { date("!%Y-%m-%d", pending_day * 86400) }, {}
    for user, counts in pairs(pending) do
        users[#users + 1] = user
        lines[#lines + 1] = user .. "|" .. counts[1] .. "|" .. counts[2] .. "|" .. counts[3]
        if #users == USERS_IN_TEXT then
            break
        end
    end
    if not leave(concat(lines, "\n")) then
        return false
    end
    for i = 1, #users do
        local counts = pending[users[i]]
        rate_limiter.spent(users[i], counts[1] + counts[2], now)
        pending[users[i]] = nil
    end
    return true
end

-- Leaves everything that this worker has added up. False when there was no room for all of it.
function _M.flush()
    while next(pending) do
        if not flush_some(pending_day * 86400 + clock.now() % 86400) then
            return false
        end
    end
    return true
end

local function flush_later()
    waiting = false
    if not _M.flush() then
        waiting = ngx.timer.at(SECONDS, flush_later) or false
    end
end

-- Counts for a user: bytes from and to the client, and requests. For any worker and any phase.
function _M.add(user, up, down, requests)
    local day = today(clock.now())
    if day ~= pending_day then
        _M.flush()
        pending_day = day
    end
    local counts = pending[user]
    if counts then
        counts[1], counts[2], counts[3] = counts[1] + up, counts[2] + down, counts[3] + requests
    else
        pending[user] = { up, down, requests }
    end
    if not waiting then
        -- No timer can be had in a worker that is about to end.
        waiting = ngx.timer.at(SECONDS, flush_later) or (_M.flush() and false)
    end
end

local function merge(users, text)
    local count = 0
    for user, up, down, requests in gmatch(text, "\n([^|\n]+)|([^|\n]+)|([^|\n]+)|([^|\n]+)") do
        local counts = users[user]
        if not counts then
            counts, count = { 0, 0, 0 }, count + 1
            users[user] = counts
        end
        counts[1], counts[2], counts[3] = counts[1] + tonumber(up), counts[2] + tonumber(down),
            counts[3] + tonumber(requests)
    end
    return count
end

local function take(queue, limit)
    local day, users, count = nil, {}, 0
    while count < limit do
        local text = dict:lpop(queue)
        if not text then
            break
        end
        local of = match(text, "^[^\n]+")
        if day and of ~= day then
            dict:lpush(queue, text)
            break
        end
        day, count = of, count + merge(users, text)
    end
    return day and { day = day, users = users } or nil
end

-- {day = "2026-11-21", users = {id = {up, down, requests}}} of about `limit` users and one UTC day, removing what it
-- returns; nil when there is nothing. What a worker counted in the last second is not in it.
function _M.take(limit)
    return take(REPORT, limit)
end

-- The same once more, for the counters shared through Redis.
function _M.take_shared(limit)
    return take(SHARED, limit)
end

return _M
