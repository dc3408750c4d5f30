-- Small helpers.

local ffi = require "ffi"

local ngx = ngx
local gsub = string.gsub
local sub = string.sub
local match = string.match
local tonumber = tonumber
local tostring = tostring
local type = type

local _M = {}

-- Text from elsewhere on one line of bounded length, so that it cannot forge a log line.
function _M.clean(text, limit)
    return sub(gsub(tostring(text), "[%c\127-\255]", "?"), 1, limit or 300)
end

-- A number within [low, high], or nil.
function _M.number(value, low, high)
    if type(value) == "number" and value >= low and value <= high then
        return value
    end
    return nil
end

ffi.cdef [[
extern volatile unsigned long ngx_current_msec;
]]

-- Seconds that only go forward, whatever becomes of the clock; for measuring, since nobody knows from when they count.
function _M.uptime()
    return tonumber(ffi.C.ngx_current_msec) / 1000
end

-- Splits http(s)://host[:port][/path]; IPv6 keeps its brackets. The path has no final slash.
function _M.parse_url(url)
    local scheme, rest = match(url, "^(https?)://(.+)$")
    if not scheme then
        return nil, "not an http or https URL"
    end
    local authority, path = match(rest, "^([^/?#@%s]+)([^?#%s]*)$")
    if not authority then
        return nil, "not an http or https URL"
    end
    local host, port = match(authority, "^(%[[%x:.]+%]):?(%d*)$")
    if not host then
        host, port = match(authority, "^([%w.-]+):?(%d*)$")
    end
    if not host then
        return nil, "not a host and port"
    end
    local tls = scheme == "https"
    return {
        tls = tls,
        host = host,
        port = tonumber(port) or (tls and 443 or 80),
        authority = authority,
        path = gsub(path, "/+$", ""),
    }
end

-- Logs a state of a topic once, and again only when it changed or was forgotten: a control plane away for an hour
-- is one line, not 360.
function _M.announcer(prefix)
    local last = {}
    local function announce(topic, level, text)
        if last[topic] ~= text then
            last[topic] = text
            ngx.log(level, prefix, text)
        end
    end
    local function forget()
        last = {}
    end
    return announce, forget
end

return _M
