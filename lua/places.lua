-- Where in a request a token or a device's id may stand: `query:name`, `header:name`, `cookie:name`. A value counts
-- only when it stands there once: of two, a server behind us might believe the other one.

local memo = require "memo"

local ngx = ngx
local find = string.find
local get_headers = ngx.req.get_headers
local get_uri_args = ngx.req.get_uri_args
local gmatch = string.gmatch
local lower = string.lower
local match = string.match
local type = type

local MAX_ARGUMENTS = 16
local MAX_HEADERS = 100
local REMEMBERED, LONGEST = 4096, 512 -- queries, and bytes of one

local _M = {}

-- The one value under a name; false where there is more than one, or one without a value.
local function one(values, name)
    local value = values[name]
    if value == nil or type(value) == "string" then
        return value
    end
    return false
end

local function in_query(name)
    local known = memo.new(REMEMBERED)
    return function(query)
        if not query then
            return nil
        end
        local value = known:get(query)
        if value == nil then
            value = one(get_uri_args(MAX_ARGUMENTS), name)
            if value ~= nil and #query <= LONGEST then
                known:set(query, value)
            end
        end
        return value
    end
end

-- Media clients put several values into one header: `MediaBrowser Client="..", DeviceId="..", Token=".."`.
local function value_of(header, parameter, is_plain)
    local scheme = match(header, "^(%a+) ")
    if scheme == "MediaBrowser" or scheme == "Emby" then
        return match(header, '[ ,]' .. parameter .. '="([^"]*)"')
    end
    return is_plain and (match(header, "^[Bb]earer +(.*)$") or header) or nil
end

local function in_header(name, parameter)
    name = lower(name)
    -- What stands alone in such a header is a token: not to be taken for a device's id.
    local is_plain = parameter == "Token" or not find(name, "authorization$")
    return function()
        local headers, err = get_headers(MAX_HEADERS)
        if err then
            return false
        end
        local value = one(headers, name)
        if not value then
            return value
        end
        return value_of(value, parameter, is_plain)
    end
end

local function in_cookie(name)
    return function()
        local headers, err = get_headers(MAX_HEADERS)
        local cookies = one(headers, "cookie")
        if err or cookies == false then
            return false
        end
        local found
        for key, value in gmatch(cookies or "", "([^=;%s]+)=([^;]*)") do
            if key == name then
                if found ~= nil then
                    return false
                end
                found = value
            end
        end
        return found
    end
end

-- A function from the current request's query (text or nil) to the value at the first of these places that has one:
-- nil where none has, false where the first has not exactly one. Nil and why for a place that is none.
function _M.reader(places, parameter)
    local readers = {}
    for i = 1, #places do
        local kind, name = match(places[i], "^(%l+):(.+)$")
        if kind == "query" then
            readers[i] = in_query(name)
        elseif kind == "header" then
            readers[i] = in_header(name, parameter)
        elseif kind == "cookie" then
            readers[i] = in_cookie(name)
        else
            return nil, "not a place: " .. places[i]
        end
    end
    local first = readers[1]
    return function(query)
        local found = first(query)
        if found ~= nil then
            return found
        end
        for i = 2, #readers do
            local value = readers[i](query)
            if value ~= nil then
                return value
            end
        end
        return nil
    end
end

-- The token at these places, if it looks like one.
function _M.is_token(value)
    return type(value) == "string" and #value <= 256 and find(value, "^[%w._~-]+$") ~= nil
end

return _M
