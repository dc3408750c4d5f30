-- The live sessions of one user on this node, as one text in a dict that all workers share. A session is a device
-- that asks; which workers hold how many of its connections is part of it.

local cjson = require "cjson.safe"

local ngx = ngx
local min = math.min
local next = next
local pairs = pairs
local sort = table.sort

local store = ngx.shared.session_store

local TTL = 90       -- seconds after which a silent device is gone
local LOCK = 1       -- seconds after which a lock of a dead worker is gone
local SPINS = 200

local _M = { TTL = TTL }

-- Keeps the other workers from a user's sessions; whoever holds this must not wait for anything, and `unlock`.
-- False when it could not be had; `patient`: waits for it, where waiting is possible.
function _M.lock(user, patient)
    local key = "l|" .. user
    for turn = 1, SPINS do
        if store:safe_add(key, true, LOCK) then
            return true
        end
        if patient and turn % 20 == 0 then
            ngx.sleep(0.01 * turn / 20)
        end
    end
    return false
end

function _M.unlock(user)
    store:delete("l|" .. user)
end

-- Numbers of connections that nobody has confirmed for too long are of a worker that is gone.
local function prune_workers(session, now)
    for pid, held in pairs(session.workers) do
        if held.count == 0 or now - held.seen >= TTL or now < held.seen - TTL then
            session.workers[pid] = nil
        end
    end
end

-- A user's sessions that are alive: {[device] = {client, since, seen, workers = {[pid] = {count, seen}}}}, and what
-- applies to them ({max?, on_exceed}).
function _M.read(user, now)
    local text = store:get("s|" .. user)
    local record = text and cjson.decode(text) or { devices = {} }
    for device, session in pairs(record.devices) do
        if now - session.seen >= TTL or now < session.seen - TTL then
            record.devices[device] = nil
        else
            prune_workers(session, now)
        end
    end
    return record
end

-- Keeps them; true, or nil and why.
function _M.write(user, record)
    if next(record.devices) == nil then
        store:delete("s|" .. user)
        return true
    end
    return store:safe_set("s|" .. user, cjson.encode(record), TTL)
end

-- How many connections of a session are open, in all workers.
function _M.connections(session)
    local count = 0
    for _, held in pairs(session.workers) do
        count = count + held.count
    end
    return count
end

-- Sessions of a user on other nodes: {[device] = since}.
function _M.elsewhere(user)
    local text = store:get("e|" .. user)
    return text and cjson.decode(text) or {}
end

-- Keeps them until the next report, or for as long as a session lives.
function _M.put_elsewhere(user, devices)
    if next(devices) == nil then
        store:delete("e|" .. user)
    else
        store:set("e|" .. user, cjson.encode(devices), TTL)
    end
end

local function is_older(one, other)
    if one.since ~= other.since then
        return one.since < other.since
    end
    return one.device < other.device
end

-- All devices of a user as a list of {device, since, here}, the oldest first; nodes that compare the same devices
-- come to the same order.
function _M.in_order(record, others)
    local list = {}
    for device, session in pairs(record.devices) do
        local since = others[device] and min(others[device], session.since) or session.since
        list[#list + 1] = { device = device, since = since, here = true }
    end
    for device, since in pairs(others) do
        if not record.devices[device] then
            list[#list + 1] = { device = device, since = since, here = false }
        end
    end
    sort(list, is_older)
    return list
end

-- The users with sessions on this node, at most so many.
function _M.users(most)
    local users = {}
    local keys = store:get_keys(most)
    for i = 1, #keys do
        users[#users + 1] = keys[i]:match("^s|(.*)$")
    end
    return users
end

return _M
