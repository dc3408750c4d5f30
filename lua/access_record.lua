-- What the access list says of one token: `user|end|devices|state`, parsed when it changes, not with every request.

local ngx = ngx
local match = string.match
local tonumber = tonumber
local type = type

local state = ngx.shared.state

local REASONS = { off = "the user is switched off", over = "the traffic of the period is used up" }

local _M = {}

-- The list in force; nil while there is none.
function _M.list()
    local current = state:get("current")
    return current and ngx.shared[current]
end

-- Brings `entry` ({hash}) up to date with the list: {user, ends, devices, refusal?}. Nil when the list has no such
-- token, or one that cannot be read.
function _M.read(list, entry)
    local raw = list:get(entry.hash)
    if raw == entry.raw then
        return raw and entry
    end
    if type(raw) == "number" then
        raw = "unnamed|" .. raw .. "|0|ok"
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
