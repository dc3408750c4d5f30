-- What this node tells of its users: usage, live sessions, and what the gate saw. Each at its own pace, in worker 0.

local cjson = require "cjson.safe"
local control_plane = require "control_plane"
local files = require "files"
local session_checker = require "session_checker"
local spool = require "spool"
local telemetry = require "telemetry"
local usage = require "usage"
local utils = require "utils"

local ngx = ngx
local floor = math.floor
local format = string.format
local max = math.max
local min = math.min
local pairs = pairs
local pcall = pcall
local random = math.random
local type = type

local state = ngx.shared.state
local cache = ngx.shared.config_cache

local PREFIX = "lazarus agent: "
local USERS_IN_BATCH = 2000
local BATCHES_AT_ONCE = 50
local USERS_AT_END, SAVE_TRIES, SAVE_PAUSE = 20000, 50, 0.01
local SESSIONS_IN_CALL = 10000
local SOON = 2 -- seconds between two reports of sessions that change all the time
local TELEMETRY_AT_ONCE = 5
local PENDING, TELEMETRY_STREAM, TELEMETRY_SEQ = "telemetry_pending", "telemetry_stream", "telemetry_seq"

local intervals = { usage = 10, sessions = 30, telemetry = 60 }

local complain = utils.announcer(PREFIX)

local _M = {}

-- Changes what {usage?, sessions?, telemetry?} gives: seconds between two reports.
function _M.set_intervals(given)
    for name in pairs(intervals) do
        intervals[name] = utils.number(given[name], 0.05, 3600) or intervals[name]
    end
end

-- What was taken and could not be kept is counted again.
local function put_back(batch)
    for user, counts in pairs(batch.users) do
        usage.add(user, counts[1], counts[2], counts[3])
    end
end

-- Counters become batches on the disk, as long as there is room; what finds none stays in memory and adds up.
local function gather()
    for _ = 1, BATCHES_AT_ONCE do
        local room, err = spool.has_room()
        if not room then
            return room == false, err
        end
        local batch = usage.take(USERS_IN_BATCH)
        if not batch then
            return true
        end
        local ok
        ok, err = spool.keep(batch)
        if not ok then
            put_back(batch)
            return nil, err
        end
    end
    return true
end

-- At the end of a worker, which has no timers: what it and others have left goes to the disk. The others end too, so
-- the spool may be taken for a moment.
function _M.save()
    usage.flush()
    if not spool.has_room() then
        return
    end
    local batch = usage.take(USERS_AT_END)
    for _ = 1, batch and SAVE_TRIES or 0 do
        local ok, err = spool.keep(batch)
        if ok then
            return
        end
        complain("spool", ngx.WARN, "keeping usage failed: " .. utils.clean(err))
        files.pause(SAVE_PAUSE)
    end
end

local function send_batch(peer, seq)
    local text, err = spool.read(seq)
    if not text then
        return spool.set_aside(seq, err)
    end
    local answer, why, status = control_plane.report(peer, "usage", text)
    if answer then
        return spool.done(seq, answer.seq)
    end
    if control_plane.final(status) then
        return spool.set_aside(seq, why)
    end
    return nil, why
end

local function send_usage(peer)
    local waiting, err = spool.waiting()
    if not waiting then
        return nil, err
    end
    for i = 1, #waiting do
        local ok
        ok, err = send_batch(peer, waiting[i])
        if not ok then
            return nil, err
        end
        if ngx.worker.exiting() then
            return true
        end
    end
    return true
end

local function report_usage(peer)
    local ok, err = gather()
    if not ok then
        complain("spool", ngx.ERR, "keeping usage failed: " .. utils.clean(err))
    else
        complain("spool", ngx.INFO, "usage is kept")
    end
    if not peer.key then
        return true
    end
    return send_usage(peer)
end

-- `more` tells that others follow (true) or came before (false); nil: these are all. An empty list becomes {}, which
-- the control plane takes.
local function send_sessions(peer, sessions, first)
    local last = min(first + SESSIONS_IN_CALL - 1, #sessions)
    local part, more = {}, nil
    for i = first, last do
        part[#part + 1] = sessions[i]
    end
    if #sessions > SESSIONS_IN_CALL then
        more = last < #sessions
    end
    return control_plane.report(peer, "sessions", cjson.encode { sessions = part, more = more })
end

local function send_all_sessions(peer, sessions)
    local elsewhere = {}
    for first = 1, max(1, #sessions), SESSIONS_IN_CALL do
        local answer, err = send_sessions(peer, sessions, first)
        if not answer then
            return nil, err
        end
        for user, devices in pairs(type(answer.elsewhere) == "table" and answer.elsewhere or {}) do
            elsewhere[user] = devices
        end
    end
    -- Of those who are nowhere else the answer says nothing.
    for i = 1, #sessions do
        elsewhere[sessions[i].user] = elsewhere[sessions[i].user] or {}
    end
    session_checker.put_elsewhere(elsewhere)
    return true
end

local reported = { at = -3600, changes = 0 }

local function report_sessions(peer)
    local now, changes = utils.uptime(), session_checker.changes()
    local soon = changes ~= reported.changes and now - reported.at >= SOON
    if not soon and now - reported.at < intervals.sessions then
        return true
    end
    reported.at, reported.changes = now, changes
    return send_all_sessions(peer, session_checker.list())
end

-- Telemetry lives in memory as its numbers do: both begin anew with nginx.
local function telemetry_stream()
    local id = format("%08x%08x", floor(ngx.now()), floor(random() * 2 ^ 32))
    state:add(TELEMETRY_STREAM, id)
    return state:get(TELEMETRY_STREAM)
end

-- The batch that is being delivered, as text; the next one when the last has arrived, nil when there is none.
local function next_telemetry()
    local pending = cache:get(PENDING)
    if pending then
        return pending
    end
    local batch = telemetry.take()
    if not batch then
        return nil
    end
    local text = cjson.encode {
        stream = telemetry_stream(),
        seq = state:incr(TELEMETRY_SEQ, 1, 0),
        access = batch.access,
        blocked = batch.blocked,
        dropped = batch.dropped,
    }
    local ok, err = cache:safe_set(PENDING, text)
    if not ok then
        complain("telemetry", ngx.WARN, "telemetry cannot be kept until it is delivered: " .. err)
    end
    return text
end

local function report_telemetry(peer)
    for _ = 1, TELEMETRY_AT_ONCE do
        local text = next_telemetry()
        if not text then
            return true
        end
        local answer, err, status = control_plane.report(peer, "telemetry", text)
        if not answer and not control_plane.final(status) then
            return nil, err
        end
        if cache:get(PENDING) == text then
            cache:delete(PENDING)
        end
        if not answer then
            return nil, err
        end
    end
    return true
end

local function needs_key(run)
    return function(peer)
        if not peer.key then
            return true
        end
        return run(peer)
    end
end

local runs = {
    usage = report_usage,
    sessions = needs_key(report_sessions),
    telemetry = needs_key(report_telemetry),
}

local function turn(premature, name, peer)
    if premature then
        return
    end
    local called, ok, err = pcall(runs[name], peer)
    if not called then
        complain(name, ngx.ERR, "reporting " .. name .. " broke: " .. utils.clean(ok))
    elseif not ok then
        complain(name, ngx.WARN, "reporting " .. name .. " failed: " .. utils.clean(err))
    else
        complain(name, ngx.INFO, "reporting " .. name .. " works")
    end
    _M.plan(name, peer, 1)
end

-- Sessions are looked at more often than they are told.
local function pace(name)
    return name == "sessions" and min(1, intervals.sessions) or intervals[name]
end

function _M.plan(name, peer, share)
    local ok, err = ngx.timer.at(pace(name) * share, turn, name, peer)
    if not ok and not ngx.worker.exiting() then
        ngx.log(ngx.EMERG, PREFIX, "no more reports of ", name, ", no timer: ", err)
    end
end

-- Starts them in this worker for `peer` ({url, key}, which the agent fills); not all at one moment, nor on all nodes.
function _M.start(peer)
    for name in pairs(runs) do
        _M.plan(name, peer, random())
    end
end

return _M
