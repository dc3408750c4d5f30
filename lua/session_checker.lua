-- How many devices of a user are served at once. A device is alive while it asks, or holds a connection; 90 s after
-- the last sign of it its place is free. What a worker knows of its own devices spares it the shared dict for ten
-- seconds at a time.

local clock = require "clock"
local records = require "session_record"

local ngx = ngx
local floor = math.floor
local next = next
local now = clock.now
local pairs = pairs
local type = type

local store = ngx.shared.session_store

local FRESH = 10         -- seconds for which a worker relies on what it saw
local HEARTBEAT = 30
local PATIENCE = 10      -- seconds that a queued request waits
local LOOK = 0.25
local MOST_WAITING = 512 -- requests of one worker
local MOST_DEVICES = 64  -- of one user where nothing limits them
local MOST_KEYS = 65536

local _M = {}

-- What this worker holds: mine[user][device] = {count, seen, max}.
local mine = {}
local queued, beating = 0, false
local tick, epoch = -1, 0

-- Grows with every device that is sent away; then what workers remember does not count.
local function kicks()
    local at = now()
    if at ~= tick then
        tick, epoch = at, store:get("kicks") or 0
    end
    return epoch
end

local function kick_key(user, device)
    return "k|" .. user .. "|" .. device
end

-- Whether a device was sent away a moment ago.
function _M.kicked(user, device)
    return store:get(kick_key(user, device)) ~= nil
end

local function kick(user, record, device)
    record.devices[device] = nil
    -- Marks of one user must not crowd out the sessions of others.
    store:safe_set(kick_key(user, device), true, records.TTL)
    store:incr("kicks", 1, 0)
    store:incr("changes", 1, 0)
end

local function remember(user, device, max)
    local devices = mine[user]
    if not devices then
        devices = {}
        mine[user] = devices
    end
    local held = devices[device]
    if not held then
        held = { count = 0 }
        devices[device] = held
    end
    held.seen, held.max, held.kicks = now(), max, kicks()
    return held
end

local function forget(user, device)
    local devices = mine[user]
    if devices then
        devices[device] = nil
        if next(devices) == nil then
            mine[user] = nil
        end
    end
end

-- Writes into a session what this worker holds of it.
local function note(session, count)
    session.seen = now()
    session.workers[tostring(ngx.worker.pid())] = { count = count, seen = session.seen }
end

-- Makes room for one more device, if the rule is to send the oldest away. Those elsewhere are sent away by their node
-- when it hears of this one.
local function make_room(user, record, order, surplus)
    for i = 1, surplus do
        if order[i].here then
            kick(user, record, order[i].device)
        end
    end
end

local function admit(user, device, client, max, on_exceed, count)
    local record = records.read(user, now())
    record.max, record.on_exceed = max, on_exceed
    local session = record.devices[device]
    if not session then
        local order = records.in_order(record, records.elsewhere(user))
        local known = 0
        for i = 1, #order do
            known = known + (order[i].device == device and 1 or 0)
        end
        local surplus = #order - known + 1 - (max or MOST_DEVICES)
        if surplus > 0 and max and on_exceed == "kick_oldest" then
            make_room(user, record, order, surplus)
        elseif surplus > 0 and max then
            return nil, "too many devices at once"
        elseif surplus > 0 then
            return nil, "too many devices to note"
        end
        session = { client = client, since = floor(now()), workers = {} }
        record.devices[device] = session
        store:incr("changes", 1, 0)
    end
    note(session, count)
    return records.write(user, record)
end

-- One try, in the shared dict.
local function try(user, device, client, max, on_exceed)
    if max and on_exceed == "kick_oldest" and _M.kicked(user, device) then
        return nil, "another device took its place"
    end
    local held = mine[user] and mine[user][device]
    if not records.lock(user, true) then
        return nil, "busy"
    end
    local ok, reason = admit(user, device, client, max, on_exceed, (held and held.count or 0) + 1)
    records.unlock(user)
    return ok, reason
end

local function wait_in_queue(user, device, client, max)
    if queued >= MOST_WAITING then
        return nil, "too many wait for a place"
    end
    queued = queued + 1
    local ok, reason
    local till = now() + PATIENCE
    repeat
        ngx.sleep(LOOK)
        ok, reason = try(user, device, client, max, "queue")
    until ok or now() >= till
    queued = queued - 1
    return ok, reason
end

-- This worker's devices are alive as long as it holds connections of theirs; the others are forgotten here.
local function refresh(user, device, held)
    if held.count > 0 then
        _M.touch(user, device)
    elseif now() - held.seen >= records.TTL then
        forget(user, device)
    end
end

local function beat(premature)
    if premature then
        return
    end
    for user, devices in pairs(mine) do
        for device, held in pairs(devices) do
            refresh(user, device, held)
        end
    end
end

local function start()
    beating = ngx.timer.every(HEARTBEAT, beat) and true or false
end

-- Lets a device in, or finds it there: true, or nil and why not. `max`: devices at once, nil or 0 for any number;
-- `on_exceed`: "reject", "queue" (waits, for ten seconds at most) or "kick_oldest". Whoever was let in has to
-- `leave`.
function _M.enter(user, device, client, max, on_exceed)
    max = max and max > 0 and max or nil
    local devices = mine[user]
    local held = devices and devices[device]
    if held and held.max == max and now() - held.seen < FRESH and held.kicks == kicks() then
        held.count = held.count + 1
        return true
    end
    local ok, reason = try(user, device, client, max, on_exceed)
    if not ok and reason ~= "busy" and max and on_exceed == "queue" then
        ok, reason = wait_in_queue(user, device, client, max)
    end
    if not ok and not max then
        -- Nothing limits this user: that there is no room to note one device more is no reason to refuse it.
        return true
    end
    if not ok then
        return nil, reason
    end
    held = remember(user, device, max)
    held.count = held.count + 1
    if not beating then
        start()
    end
    return true
end

local function write_update(user, device, count, gone)
    local record = records.read(user, now())
    local session = record.devices[device]
    if not session then
        return true
    end
    note(session, count)
    if gone and records.connections(session) == 0 then
        record.devices[device] = nil
        store:incr("changes", 1, 0)
    end
    return records.write(user, record)
end

local function update(user, device, count, gone)
    if not records.lock(user, false) then
        return false
    end
    local ok = write_update(user, device, count, gone)
    records.unlock(user)
    return ok
end

-- One connection less. `gone`: nothing more is to come from this device, so the last one frees its place at once.
function _M.leave(user, device, gone)
    local held = mine[user] and mine[user][device]
    if not held then
        return
    end
    held.count = math.max(0, held.count - 1)
    if gone and held.count == 0 then
        -- Should the lock not be had, the place is free when nothing was heard for long enough.
        update(user, device, 0, true)
        forget(user, device)
    end
end

-- A sign of life of a device that holds a connection. Cheap to call often.
function _M.touch(user, device)
    local held = mine[user] and mine[user][device]
    if held and now() - held.seen >= FRESH and update(user, device, held.count) then
        held.seen = now()
    end
end

-- The live sessions of this node: {user, device, client, connections, since} each.
function _M.list()
    local list, at = {}, now()
    for _, user in pairs(records.users(MOST_KEYS)) do
        for device, session in pairs(records.read(user, at).devices) do
            list[#list + 1] = {
                user = user,
                device = device,
                client = session.client,
                connections = records.connections(session),
                since = session.since,
            }
        end
    end
    return list
end

-- Grows when a session begins or ends.
function _M.changes()
    return store:get("changes") or 0
end

-- Sends away those of our devices for which there is no place beside those elsewhere: the oldest ones under
-- "kick_oldest", else the newest.
local function settle(user, others)
    local record = records.read(user, now())
    local max = record.max
    local order = records.in_order(record, others)
    for i = 1, max and #order - max or 0 do
        local each = record.on_exceed == "kick_oldest" and order[i] or order[#order + 1 - i]
        if each.here then
            kick(user, record, each.device)
        end
    end
    return records.write(user, record)
end

local function as_table(list)
    local devices = {}
    for i = 1, #list do
        local each = list[i]
        if type(each) == "table" and type(each[1]) == "string" and type(each[2]) == "number" then
            devices[each[1]] = each[2]
        end
    end
    return devices
end

-- What the other nodes have: {[user] = {{device, since}, ...}}, an empty list where there is nothing any more.
function _M.put_elsewhere(table)
    for user, list in pairs(table) do
        local others = type(list) == "table" and as_table(list) or {}
        records.put_elsewhere(user, others)
        if records.lock(user, false) then
            settle(user, others)
            records.unlock(user)
        end
    end
end

return _M
