-- Decides who may pass. Fails closed: whatever is missing, malformed or too old means no.

local digest = require "digest"

local ngx = ngx
local abs = math.abs
local find = string.find
local match = string.match
local tonumber = tonumber
local type = type
local get_uri_args = ngx.req.get_uri_args

local state = ngx.shared.state

local MAX_ARGUMENTS = 16
local MAX_TOKEN = 256

local _M = {}

-- The token of a request's arguments; nil unless there is exactly one, and it looks like one.
function _M.token(args)
    local token = args.token
    if type(token) ~= "string" or #token > MAX_TOKEN or not find(token, "^[%w._~-]+$") then
        return nil
    end
    return token
end

-- Whether the control plane was heard lately enough. Both signs: a clock set back must not keep the gate open.
function _M.fresh(now)
    local heard, window = state:get("heard"), state:get("window")
    return heard ~= nil and window ~= nil and abs(now - heard) < window
end

-- When an entry ends: `user|end|devices|state`, or a number; nil for one that does not pass.
local function end_of(entry)
    if type(entry) ~= "string" then
        return entry
    end
    return tonumber(match(entry, "^[^|]+|(%d+)|%d+|ok$"))
end

-- Whether the list in force lets this token pass now. The lookup is by digest, so its time tells nothing of the token.
function _M.listed(token, now)
    local current = state:get("current")
    local list = current and ngx.shared[current]
    local expiry = list and end_of(list:get(digest.sha256(token or "")))
    return token ~= nil and expiry ~= nil and (expiry == 0 or now < expiry)
end

-- Whether the current request may pass.
function _M.pass()
    local now = ngx.now()
    local listed = _M.listed(_M.token(get_uri_args(MAX_ARGUMENTS)), now)
    return _M.fresh(now) and listed
end

return _M
