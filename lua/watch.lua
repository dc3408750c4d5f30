-- Says in the log what the gate does, which must not log itself.

local gate = require "gate"
local utils = require "utils"

local ngx = ngx

local state = ngx.shared.state
local announce = utils.announcer("lazarus agent: ")

local _M = {}

-- Whether requests with a good token pass now; says so when it changes.
function _M.is_open()
    local open, why = gate.is_open(ngx.now())
    if open then
        announce("gate", ngx.NOTICE, "the gate is open")
    else
        announce("gate", ngx.WARN, "the gate is closed: " .. why)
    end
    return open == true
end

-- Passes on why the gate broke, if it did since the last call.
function _M.tell_fault()
    local err = state:get("gate_error")
    if err then
        state:delete("gate_error")
        announce("fault", ngx.ERR, "the gate broke and denied: " .. err)
    end
end

return _M
