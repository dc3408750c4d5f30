-- What the access list says of one token: `user|end|devices|state`, parsed when it changes, not with every request.

local ngx = ngx
local byte = string.byte
local format = string.format
local gsub = string.gsub
local match = string.match
local sub = string.sub
local tonumber = tonumber

local state = ngx.shared.state

local REASONS = { off = "the user is switched off", over = "the traffic of the period is used up" }

local _M = {}

local function to_hex(bytes)
    return (gsub(bytes, ".", function(char)
        return format("%02x", byte(char))
    end))
end

-- The list of a media edge, where tokens are those of the servers behind, which check them: whoever has one is its
-- own user.
local ANYONE = {
    get = function(_, hash)
        return "t-" .. to_hex(sub(hash, 1, 8)) .. "|0|0|ok"
    end,
}

-- The list in force; nil while there is none.
function _M.list()
    local current = state:get("current")
    return current == "anyone" and ANYONE or ngx.shared[current or ""]
end

-- Brings `entry` ({hash}) up to date with the list: {user, ends, devices, refusal?}. Nil when the list has no such
-- token, or one that cannot be read.
function _M.read(list, entry)
    local raw = list:get(entry.hash)
    if raw == entry.raw then
        return raw and entry
    end
    local user, ends, devices, standing = match(raw or "", "^([^|]+)|(%d+)|(%d+)|(%l+)$")
    if not user or standing ~= "ok" and not REASONS[standing] then
        entry.raw = nil
        return nil
    end
    entry.raw, entry.user, entry.ends, entry.devices = raw, user, tonumber(ends), tonumber(devices)
    entry.refusal = REASONS[standing]
    return entry
end

-- Why an entry does not pass now; nil where it does.
function _M.refusal(entry, now)
    if entry.ends ~= 0 and now >= entry.ends then
        return "the user's time is over"
    end
    return entry.refusal
end

return _M
