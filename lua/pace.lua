-- How long to wait so that all tunnels of a user together keep to a rate, in every worker. One number a user: the
-- time at which all that was sent would have been sent at that rate.

local ngx = ngx
local max = math.max

local dict = ngx.shared.rate_limit

local BURST = 0.5 -- seconds that one may be ahead
local KEEP = 600

local _M = {}

-- Seconds to wait before so many more bytes are sent at so many a second.
function _M.wait(user, bytes, rate)
    local now, key, cost = ngx.now(), "pace:" .. user, bytes / rate
    local due = dict:incr(key, cost, now, KEEP)
    if not due or due < now then
        due = now + cost
        dict:set(key, due, KEEP)
    end
    return max(0, due - now - BURST)
end

return _M
