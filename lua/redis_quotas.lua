-- Quotas over several nodes. Each node writes its own totals, so that a write repeated after a lost answer changes
-- nothing, and reads those of the others. A node that was started anew counts from zero, under another name.

local rate_limiter = require "rate_limiter"
local rules_of = require "rules"
local usage = require "usage"

local ngx = ngx
local date = os.date
local format = string.format
local match = string.match
local min = math.min
local pairs = pairs
local random = math.random
local sort = table.sort
local tonumber = tonumber
local type = type

local state = ngx.shared.state

local SYNC = 300        -- seconds between two looks at a user's totals
local NEAR = 0.5        -- share of a quota from which every exchange looks
local STEP = 0.1        -- share of a quota that nobody else knows of, at most
local FORGET = 900      -- seconds without traffic until a user is not looked at any more
local MOST = 200000     -- users looked at
local AT_ONCE = 2000    -- users in one exchange
local IN_PIPELINE = 200 -- users in one pipeline
local WORDS = 6         -- commands for one user
local KEPT = { day = 3 * 86400, month = 63 * 86400 } -- seconds in Redis

local _M = {}

local NOTHING = { 0, 0 }

-- Users with traffic here: {[user] = {seen, synced?, told, others}}; told and others: {[period] = {requests, bytes}}.
local active, count = {}, 0

-- The name of this life of this node: it ends together with our counters, with nginx.
local function life(node)
    state:add("redis_life", format("%s/%x-%x", node, ngx.time(), random(0, 0x7fffffff)))
    return state:get("redis_life")
end

local function note(user, now)
    local known = active[user]
    if known then
        known.seen = now
    elseif count < MOST then
        active[user], count = { seen = now, told = {}, others = {} }, count + 1
    end
end

local function note_active(now)
    repeat
        local batch = usage.take_shared(AT_ONCE)
        for user in pairs(batch and batch.users or {}) do
            note(user, now)
        end
    until not batch
end

local function periods(now)
    return { day = date("!%Y-%m-%d", now), month = date("!%Y-%m", now) }
end

local function matters(limit, used, told, others)
    return limit ~= nil and (used + others >= limit * NEAR or used - told >= limit * STEP)
end

-- Whether what the others count matters soon, or what we did matters to them.
local function is_near(user, known, period, most_requests, most_bytes)
    if not most_requests and not most_bytes then
        return false
    end
    local requests, bytes = rate_limiter.counted(user, period)
    local told, others = known.told[period] or NOTHING, known.others[period] or NOTHING
    return matters(most_requests, requests, told[1], others[1]) or matters(most_bytes, bytes, told[2], others[2])
end

local function is_due(user, known, now, quotas, names)
    return not known.synced or now - known.synced >= SYNC or now < known.synced
        or is_near(user, known, names.day, quotas.requestsPerDay, quotas.bytesPerDay)
        or is_near(user, known, names.month, quotas.requestsPerMonth, quotas.bytesPerMonth)
end

-- The users whose totals are looked at now, those first who have waited longest.
local function due(now, names)
    local rules = rules_of.current()
    local quotas, users = rules and rules.quotas or {}, {}
    for user, known in pairs(active) do
        if known.synced and known.synced > known.seen and now - known.seen >= FORGET then
            active[user], count = nil, count - 1
        elseif is_due(user, known, now, quotas, names) then
            users[#users + 1] = user
        end
    end
    sort(users, function(one, other)
        return (active[one].synced or 0) < (active[other].synced or 0)
    end)
    return users
end

-- The commands for one user: tell ours, ask for all.
local function add_commands(commands, user, field, names)
    local telling = {}
    active[user].telling = telling
    for _, span in ipairs { "day", "month" } do
        local key = "lazarus:quota:" .. names[span] .. ":" .. user
        local requests, bytes = rate_limiter.counted(user, names[span])
        telling[names[span]] = { requests, bytes }
        commands[#commands + 1] = { "HSET", key, field, format("%d %.0f", requests, bytes) }
        commands[#commands + 1] = { "EXPIRE", key, KEPT[span] }
        commands[#commands + 1] = { "HGETALL", key }
    end
end

-- What all lives but ours have counted; nil and why when the reply is none.
local function sum_of_others(reply, field)
    if type(reply) ~= "table" or reply.err then
        return nil, type(reply) == "table" and reply.err or "no totals"
    end
    local requests, bytes = 0, 0
    for i = 1, #reply, 2 do
        if reply[i] ~= field then
            local some, more = match(reply[i + 1] or "", "^(%d+) (%d+)$")
            requests, bytes = requests + (tonumber(some) or 0), bytes + (tonumber(more) or 0)
        end
    end
    return { requests, bytes }
end

local function take_replies(replies, at, user, field, names, now)
    local known = active[user]
    known.told, known.others = known.telling, {}
    for i, span in ipairs { "day", "month" } do
        local sum, err = sum_of_others(replies[at + i * 3], field)
        if not sum then
            return nil, err
        end
        known.others[names[span]] = sum
        rate_limiter.put_estimate(user, names[span], sum[1], sum[2])
    end
    known.synced = now
    return true
end

local function sync(client, users, first, last, field, names, now)
    local commands = {}
    for i = first, last do
        add_commands(commands, users[i], field, names)
    end
    local replies, err = client:pipeline(commands)
    if not replies then
        return nil, err
    end
    for i = first, last do
        local ok
        ok, err = take_replies(replies, (i - first) * WORDS, users[i], field, names, now)
        if not ok then
            return nil, err
        end
    end
    return true
end

-- Tells what we counted and learns what the others did. True, or nil and why.
function _M.exchange(client, _, node)
    local now = ngx.time()
    local names, field = periods(now), life(node)
    note_active(now)
    local users = due(now, names)
    local most = min(#users, AT_ONCE)
    for first = 1, most, IN_PIPELINE do
        local ok, err = sync(client, users, first, min(first + IN_PIPELINE - 1, most), field, names, now)
        if not ok then
            return nil, err
        end
    end
    return true
end

return _M
