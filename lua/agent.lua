-- The agent: enrols once, registers, beats, pulls what changed, and tells how that went. It serves no request; the
-- gate reads what it leaves in the shared dicts. Everything that fails is tried again at a later step.

local access_list = require "access_list"
local config = require "config"
local control_plane = require "control_plane"
local identity = require "identity"
local loop = require "loop"
local metrics = require "metrics"
local reports = require "reports"
local updates = require "updates"
local utils = require "utils"
local watch = require "watch"

local ngx = ngx
local floor = math.floor
local max = math.max
local pcall = pcall
local type = type
local unpack = unpack

local state = ngx.shared.state

local VERSION = "1"
local GRACE = 1 -- seconds an answer may take before its beat counts as missed
local SEQ_EPOCH = 1700000000
local PREFIX = "lazarus agent: "

local complain, forget_complaints = utils.announcer(PREFIX)
local sample = metrics.sampler()

-- Whom we talk to ({node, url, token, key}; no url: settings are read first) and where we stand.
local peer = {}
local pace = { interval = 10, missed = 3 }
local registered, answered = false, false
local busy = {} -- what is being pulled

local _M = {}

local function failed(what, err)
    complain(what, ngx.WARN, what .. " failed: " .. err)
    return nil
end

-- The same for what has to work before anything else can.
local function lost(what, err)
    answered = false
    return failed(what, err)
end

local function heard()
    state:set("heard", ngx.now())
    if not answered then
        answered = true
        forget_complaints()
        ngx.log(ngx.NOTICE, PREFIX, "the control plane answers")
    end
end

local function set_pace(interval, missed)
    pace.interval = utils.number(interval, 0.1, 3600) or pace.interval
    pace.missed = utils.number(missed, 1, 1000) or pace.missed
    state:set("window", pace.interval * pace.missed + GRACE)
end

local function read_settings()
    local settings, err = identity.settings()
    if not settings then
        return lost("reading the settings", err)
    end
    peer.url, peer.node, peer.token = settings.url, settings.node, settings.token
    peer.key = identity.key()
    set_pace(settings.interval, settings.missed)
    reports.set_intervals(settings)
    return true
end

local function enrol()
    local answer, err, status = control_plane.enrol(peer)
    if not answer then
        -- Next time the old key again: a control plane restored from a backup forgets, and remembers.
        peer.key = identity.key()
        return lost("enrolling", err .. (status == 401 and ": if this stays so, deploy this node again" or ""))
    end
    -- On the disk before its first use, since using it ends the enrolment token.
    local ok
    ok, err = identity.keep_key(answer.key)
    if not ok then
        return lost("enrolling", err)
    end
    peer.key = answer.key
    ngx.log(ngx.NOTICE, PREFIX, "enrolled as ", peer.node)
    return true
end

-- A refused key: enrol anew, with the token in agent.json, which a deployment may have replaced.
local function drop_key_if(status)
    if status == 401 then
        read_settings()
        registered, peer.key = false, nil
    end
end

local function register()
    local answer, err, status = control_plane.register(peer, VERSION)
    if not answer then
        drop_key_if(status)
        return lost("registering", err)
    end
    set_pace(answer.heartbeatInterval, answer.missedBeats)
    registered = true
    heard()
    return true
end

-- Grows with every beat, across restarts as well, and fits 31 bits.
local function next_seq()
    local seq = max((state:get("seq") or 0) + 1, floor(ngx.time()) - SEQ_EPOCH)
    state:set("seq", seq)
    return seq
end

-- Beats, and returns the answer: what this node should have.
local function beat()
    local body = sample(utils.uptime())
    body.seq, body.configVersion = next_seq(), config.version()
    body.accessList, body.accessSeq = access_list.head()
    local answer, err, status = control_plane.heartbeat(peer, body)
    if not answer then
        drop_key_if(status)
        return lost("a beat", err)
    end
    set_pace(answer.heartbeatInterval, answer.missedBeats)
    heard()
    return answer
end

local function guarded(what, run)
    local ok, err = pcall(run)
    if not ok then
        complain("fault", ngx.ERR, what .. " broke: " .. utils.clean(err))
    end
end

local function pull(premature, what, run, ...)
    if not premature then
        local arguments = { ... }
        guarded("pulling", function()
            local ok, failing, err = run(peer, unpack(arguments))
            if not ok then
                failed(failing, err)
            end
            watch.is_open()
        end)
    end
    busy[what] = false
end

-- Beside the beats, so that a long list or a slow test does not make the node look dead.
local function start_pull(...)
    local what = ...
    busy[what] = not busy[what] and ngx.timer.at(0, pull, ...) or busy[what]
end

local function acknowledge()
    local ok, err = updates.acknowledge(peer)
    if not ok then
        failed("acknowledging", err)
    end
end

local function step()
    local known = (peer.url or read_settings()) and (peer.key or enrol()) and (registered or register())
    if not known then
        return
    end
    if not busy.config then
        acknowledge()
    end
    local answer = beat()
    if not answer then
        return
    end
    local desired = type(answer.configVersion) == "string" and answer.configVersion
    if desired and updates.wanted(desired) then
        start_pull("config", updates.pull, desired)
    end
    -- The rules come first: with users alone, those that a rule blocks would pass.
    local has_rules = config.version() or not desired
    if has_rules and updates.is_head(answer.access) and updates.access_wanted(answer.access) then
        start_pull("access", updates.pull_access)
    end
end

-- Starts the agent in this worker.
function _M.start()
    loop.start(function()
        return pace.interval
    end, step, complain)
    guarded("reading the settings", read_settings)
    reports.start(peer)
end

return _M
