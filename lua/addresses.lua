-- Addresses and networks as raw bytes, 4 or 16 of them.

local bit = require "bit"
local ffi = require "ffi"

local C = ffi.C
local band = bit.band
local byte = string.byte
local char = string.char
local ffi_string = ffi.string
local find = string.find
local floor = math.floor
local lshift = bit.lshift
local match = string.match
local sub = string.sub
local tonumber = tonumber

ffi.cdef [[
int inet_pton(int family, const char *text, void *bytes);
]]

local INET, INET6 = 2, 10
local buffer = ffi.new("unsigned char[16]")

local _M = {}

-- The bytes of an address; nil where the text is none.
function _M.bytes(text)
    local six = find(text, ":", 1, true) ~= nil
    if C.inet_pton(six and INET6 or INET, text, buffer) ~= 1 then
        return nil
    end
    return ffi_string(buffer, six and 16 or 4)
end

-- The first `bits` of an address, as text to compare.
function _M.prefix(bytes, bits)
    local whole = floor(bits / 8)
    local rest = bits % 8
    if rest == 0 then
        return sub(bytes, 1, whole)
    end
    return sub(bytes, 1, whole) .. char(band(byte(bytes, whole + 1), 256 - lshift(1, 8 - rest)))
end

-- Length in bytes, number of bits and prefix of a network such as 10.0.0.0/8 or an address; nil for anything else.
function _M.network(text)
    local address, bits = match(text, "^([^/]+)/(%d%d?%d?)$")
    local bytes = _M.bytes(address or text)
    if not bytes then
        return nil
    end
    bits = tonumber(bits) or #bytes * 8
    if bits > #bytes * 8 then
        return nil
    end
    return #bytes, bits, _M.prefix(bytes, bits)
end

-- Whom an address stands for: itself, and with IPv6 its /64, since whoever has one address there has them all.
function _M.owner(bytes)
    return #bytes == 16 and sub(bytes, 1, 8) or bytes
end

return _M
