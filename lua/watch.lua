-- Says in the log what the gate does, which must not log itself.

local access_list = require "access_list"
local gate = require "gate"
local utils = require "utils"

local ngx = ngx

local state = ngx.shared.state
local announce = utils.announcer("lazarus agent: ")

local _M = {}

-- Whether requests with a good token pass now; says so when it changes.
function _M.is_open()
    if not access_list.loaded() then
        announce("gate", ngx.WARN, "the gate is closed: no access list yet")
        return false
    end
    if not gate.fresh(ngx.now()) then
        announce("gate", ngx.WARN, "the gate is closed: the control plane is silent for too long")
        return false
    end
    announce("gate", ngx.NOTICE, "the gate is open")
    return true
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
