-- The end of a request that passed: counts it for its user and tells of it. Nothing here waits for anybody.

local requests = require "requests"
local denial_of = require "denial"
local session_checker = require "session_checker"
local telemetry = require "telemetry"
local usage = require "usage"

local ngx = ngx
local tonumber = tonumber

-- A tunnel has counted its bytes while it lived.
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

local subject = requests.take()
if subject and not subject.denied then
    local var, now = ngx.var, ngx.now()
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
