-- SHA-256 by the libcrypto that nginx has loaded already.

local ffi = require "ffi"

local C = ffi.C
local ffi_string = ffi.string
local byte = string.byte

ffi.cdef [[
unsigned char *SHA256(const unsigned char *data, size_t length, unsigned char *digest);
]]

local BYTES = 32

local _M = {}

local buffer = ffi.new("unsigned char[?]", BYTES)

-- The 32 raw bytes of a text's digest.
function _M.sha256(text)
    C.SHA256(text, #text, buffer)
    return ffi_string(buffer, BYTES)
end

local function nibble(code)
    if code >= 48 and code <= 57 then
        return code - 48
    end
    if code >= 97 and code <= 102 then
        return code - 87
    end
    return nil
end

-- The 32 raw bytes of a digest in lower-case hex; nil for anything else.
function _M.from_hex(hex)
    if #hex ~= 2 * BYTES then
        return nil
    end
    for i = 0, BYTES - 1 do
        local first, second = byte(hex, 2 * i + 1, 2 * i + 2)
        local high, low = nibble(first), nibble(second)
        if not high or not low then
            return nil
        end
        buffer[i] = high * 16 + low
    end
    return ffi_string(buffer, BYTES)
end

return _M
