-- Sessions over several nodes: ours are told as they begin and end and once in a while, those of the others are read
-- when one of theirs changed. What is not told any more is forgotten by Redis after 90 s.

local session_checker = require "session_checker"

local format = string.format
local match = string.match
local min = math.min
local next = next
local pairs = pairs
local tonumber = tonumber
local type = type

local TTL = 90
local ALL = 30          -- seconds between two times at which everything is told and read
local MOST = 10000      -- sessions told, and changed users read, in one exchange
local IN_PIPELINE = 500 -- commands
local CHANGED = "lazarus:sessions:changed"

local _M = {}

-- What Redis was told ({[user] = {[member] = true}}), where others were found, and when we last looked.
local told, found = {}, {}
local last = { all = 0, read = 0, changes = -1 }

local function key_of(user)
    return "lazarus:sessions:" .. user
end

local function run(client, commands)
    local replies = {}
    for first = 1, #commands, IN_PIPELINE do
        local part = {}
        for i = first, min(first + IN_PIPELINE - 1, #commands) do
            part[#part + 1] = commands[i]
        end
        local some, err = client:pipeline(part)
        if not some then
            return nil, err
        end
        for i = 1, #some do
            if type(some[i]) == "table" and some[i].err then
                return nil, some[i].err
            end
            replies[#replies + 1] = some[i]
        end
    end
    return replies
end

local function our_members(node)
    local members, sessions = {}, session_checker.list()
    for i = 1, min(#sessions, MOST) do
        local each = sessions[i]
        members[each.user] = members[each.user] or {}
        members[each.user][format("%s|%d|%s", node, each.since, each.device)] = true
    end
    return members
end

-- The commands that tell of one user; `whole`: also of what Redis knows already, lest it forgets.
local function tell(commands, user, now_is, was, whole, now)
    local key, changed = key_of(user), false
    for member in pairs(now_is) do
        if whole or not was[member] then
            commands[#commands + 1] = { "ZADD", key, now + TTL, member }
        end
        changed = changed or not was[member]
    end
    for member in pairs(was) do
        if not now_is[member] then
            commands[#commands + 1] = { "ZREM", key, member }
            changed = true
        end
    end
    if whole or changed then
        commands[#commands + 1] = { "ZREMRANGEBYSCORE", key, "-inf", "(" .. now }
        commands[#commands + 1] = { "EXPIRE", key, TTL + 30 }
    end
    if changed then
        commands[#commands + 1] = { "ZADD", CHANGED, now, user }
    end
end

local function tell_all(client, members, whole, now)
    local commands = {}
    for user, now_is in pairs(members) do
        tell(commands, user, now_is, told[user] or {}, whole, now)
    end
    for user, was in pairs(told) do
        if not members[user] then
            tell(commands, user, {}, was, whole, now)
        end
    end
    commands[#commands + 1] = { "ZREMRANGEBYSCORE", CHANGED, "-inf", "(" .. now - TTL }
    local ok, err = run(client, commands)
    if ok then
        told = members
    end
    return ok, err
end

-- Our users of whom something may have changed elsewhere.
local function to_read(client, whole, now)
    if whole then
        local all = {}
        for user in pairs(told) do
            all[#all + 1] = user
        end
        return all
    end
    -- A second back: others may have written in the same second, after we looked.
    local users, err = client:call("ZRANGEBYSCORE", CHANGED, last.read - 1, "+inf", "LIMIT", 0, MOST)
    if type(users) ~= "table" then
        return nil, err or "no list of users"
    end
    local ours = {}
    for i = 1, #users do
        if told[users[i]] then
            ours[#ours + 1] = users[i]
        end
    end
    return ours, now
end

local function others_of(reply, node)
    local others = {}
    for i = 1, #reply do
        local at, since, device = match(reply[i], "^([^|]*)|(%d+)|(.*)$")
        if at and at ~= node then
            others[#others + 1] = { device, tonumber(since) }
        end
    end
    return others
end

local function read(client, users, node, now)
    local commands = {}
    for i = 1, #users do
        commands[i] = { "ZRANGEBYSCORE", key_of(users[i]), now, "+inf" }
    end
    local replies, err = run(client, commands)
    if not replies then
        return nil, err
    end
    local elsewhere = {}
    for i = 1, #users do
        local others = others_of(replies[i], node)
        -- Where this Redis never knew of anybody, the control plane may.
        if next(others) or found[users[i]] then
            elsewhere[users[i]] = others
            found[users[i]] = next(others) and true or nil
        end
    end
    session_checker.put_elsewhere(elsewhere)
    return true
end

-- Tells our sessions and learns of the others'. True, or nil and why.
function _M.exchange(client, now, node)
    local whole = now - last.all >= ALL or now < last.all
    local changes = session_checker.changes()
    if whole or changes ~= last.changes then
        local ok, err = tell_all(client, our_members(node), whole, now)
        if not ok then
            return nil, err
        end
        last.changes, last.all = changes, whole and now or last.all
    end
    local users, err = to_read(client, whole, now)
    if not users then
        return nil, err
    end
    local ok
    ok, err = read(client, users, node, now)
    last.read = ok and now or last.read
    return ok, err
end

return _M
