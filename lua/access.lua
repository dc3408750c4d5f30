-- Asked for every request: nothing, or 403 or 429. Never logs here: nginx would add the request line, token included.

local denial_of = require "denial"
local gate = require "gate"
local requests = require "requests"
local utils = require "utils"

local ngx = ngx
local pcall = pcall

local BROKEN = { check = "state", status = 403, reason = "the gate broke" }

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
    ngx.ctx.lazarus = subject
    if subject.rate and not subject.tunnel then
        ngx.var.limit_rate = subject.rate
    end
end

local earlier = requests.get()
if earlier and not earlier.denied then
    ngx.ctx.lazarus = earlier
    return
end
local now = ngx.now()
local ok, verdict, subject = pcall(gate.check, now)
if ok and verdict == true then
    return pass(subject)
end
if not ok then
    note_fault(verdict)
    verdict, subject = BROKEN, {}
end
return deny(verdict, subject, now)
