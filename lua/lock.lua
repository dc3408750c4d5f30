-- One worker at a time, by a key in the shared dict: an nginx that reloads has two agents for a moment. A holder that
-- was killed holds up nobody.

local process = require "process"

local ngx = ngx

local state = ngx.shared.state

local SECONDS = 60

local _M = {}

-- Takes the lock of this name for 60 s; false while another worker has it.
function _M.take(name)
    local pid = ngx.worker.pid()
    if state:add(name, pid, SECONDS) then
        return true
    end
    local holder = state:get(name)
    if holder and (holder == pid or process.alive(holder)) then
        return false
    end
    state:set(name, pid, SECONDS)
    return true
end

-- Makes it last 60 s from now.
function _M.renew(name)
    state:expire(name, SECONDS)
end

function _M.drop(name)
    state:delete(name)
end

return _M
