-- The requests that this worker is serving, by their place in memory. Unlike ngx.ctx it lasts over nginx's internal
-- redirects, which ask the gate once more: who passed once has passed.

local base = require "resty.core.base"
local ffi = require "ffi"

local cast = ffi.cast
local get_request = base.get_request
local tonumber = tonumber

local _M = {}

local serving = {}

local function address()
    -- Not as a tail call, which LuaJIT would not compile.
    local at = tonumber(cast("uintptr_t", get_request()))
    return at
end

-- What the gate found out about the current request; nil before.
function _M.get()
    return serving[address()]
end

-- Keeps it until `take`.
function _M.put(found)
    serving[address()] = found
end

-- The same as `get`, at the end of the request.
function _M.take()
    local at = address()
    local found = serving[at]
    serving[at] = nil
    return found
end

return _M
