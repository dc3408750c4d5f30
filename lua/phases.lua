-- What nginx has us do with a request: before it is served, before its answer leaves, and after its end. LuaJIT
-- compiles functions, not the files that nginx runs for each request, so those only call these.

local clock = require "clock"
local denial_of = require "denial"
local gate = require "gate"
local requests = require "requests"
local session_checker = require "session_checker"
local telemetry = require "telemetry"
local usage = require "usage"
local utils = require "utils"

local ngx = ngx
local pcall = pcall
local tonumber = tonumber

-- A request takes one long way through the checks; LuaJIT's own limits would compile it in pieces, or not at all.
require("jit.opt").start("maxrecord=16000", "maxirconst=4000", "maxsnap=4000", "maxtrace=4000", "maxmcode=8192")

local BROKEN = { check = "state", status = 500, reason = "the gate broke" }

local _M = {}

-- The agent tells it, without the request.
local function note_fault(err)
    ngx.shared.state:set("gate_error", utils.clean(err))
end

local function deny(denial, subject, now)
    local ok, id = pcall(denial_of.tell, denial, subject, now)
    if not ok then
        note_fault(id)
    end
    requests.put { denied = true, id = ok and id or nil, retry = denial.retry }
    ngx.status = denial.status
    ngx.header.content_type = "text/plain"
    ngx.header.content_length = 7
    ngx.header.cache_control = "no-store"
    ngx.print("denied\n")
    return ngx.exit(denial.status)
end

local function pass(subject)
    requests.put(subject)
    if subject.tunnel then
        -- For the handler of tunnels.
        ngx.ctx.lazarus = subject
    elseif subject.rate then
        ngx.var.limit_rate = subject.rate
    end
end

-- Passes the request or answers 403 or 429. Never logs: nginx would add the request line, token included. An error
-- ends in nginx's 500; to catch it here would keep LuaJIT from compiling what is called.
function _M.access()
    local earlier = requests.get()
    if earlier and not earlier.denied then
        pass(earlier)
        return
    end
    local now = clock.now()
    local verdict, subject = gate.check(now)
    if verdict == true then
        pass(subject)
        return
    end
    deny(verdict, subject, now)
end

-- A request that never got as far as a verdict: has the check done once more, to learn what broke.
local function tell_broken()
    local now = clock.now()
    local ok, err = pcall(gate.check, now)
    if not ok then
        note_fault(err)
        ngx.header["X-Request-Id"] = denial_of.tell(BROKEN, {}, now)
    end
end

-- Gives the answer to a denied request its id, and the seconds after which another try may do better.
function _M.header()
    local found = requests.get()
    if not found then
        if ngx.status == 500 then
            tell_broken()
        end
    elseif found.denied then
        ngx.header["X-Request-Id"] = found.id
        ngx.header["Retry-After"] = found.retry
    end
end

local function count(subject, var)
    if subject.tunnel then
        usage.add(subject.user, 0, 0, 1)
    else
        usage.add(subject.user, tonumber(var.request_length) or 0, tonumber(var.bytes_sent) or 0, 1)
    end
end

local function tell(subject, var, now)
    telemetry.access {
        at = now,
        user = subject.user,
        client = subject.client,
        ip = var.remote_addr,
        method = ngx.req.get_method(),
        path = denial_of.shown_path(subject.path),
        status = ngx.status,
        bytes = tonumber(var.bytes_sent) or 0,
        seconds = tonumber(var.request_time) or 0,
    }
end

-- Counts a request that passed for its user, and tells of it. Nothing here waits for anybody.
function _M.log()
    local subject = requests.take()
    if not subject or subject.denied then
        return
    end
    local var, now = ngx.var, clock.now()
    if subject.entered then
        session_checker.leave(subject.user, subject.device, subject.tunnel)
    end
    if subject.user then
        count(subject, var)
    end
    if telemetry.wants(now) then
        tell(subject, var, now)
    end
end

return _M
