-- nginx's clock in a form that LuaJIT compiles: `ngx.now` itself ends in a tail call, and once it counts as
-- impossible to compile, so does all that asks for the time.

local ffi = require "ffi"

local ngx = ngx
local C = ffi.C

local _M = {}

-- Outside nginx there is only what stands in for it.
local in_nginx = pcall(function()
    ffi.cdef "double ngx_http_lua_ffi_now(void);"
    return C.ngx_http_lua_ffi_now
end)

if in_nginx then
    -- Epoch seconds with milliseconds, as of this turn of the event loop.
    function _M.now()
        local at = C.ngx_http_lua_ffi_now()
        return at
    end
else
    _M.now = ngx.now
end

return _M
