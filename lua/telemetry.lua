-- What the gate saw, for the control plane: some of the requests that passed, and those that were denied. Kept in two
-- bounded queues of a shared dict until the agent takes them; what finds no room is only counted.

local cjson = require "cjson.safe"

local ngx = ngx
local floor = math.floor

local dict = ngx.shared.telemetry_buffer

local MOST = { access = 5000, blocked = 2000 }
local BATCH = { access = 500, blocked = 200 }
local COMMON_SHARE = 0.5 -- of the room for denials: strangers without a token must not crowd out the others
local A_SECOND = 10      -- of one worker: about what a minute's batch holds

local _M = {}

local second, taken, dropped = 0, 0, 0

local function keep(queue, entry, most)
    if (dict:llen(queue) or 0) >= most then
        return false
    end
    local text = cjson.encode(entry)
    return text and dict:rpush(queue, text) ~= nil
end

local function drop(count)
    if count > 0 then
        dict:incr("dropped", count, 0)
    end
end

-- Whether another request that passed is to be told of this second. The others are counted.
function _M.wants(now)
    local at = floor(now)
    if at ~= second then
        drop(dropped)
        second, taken, dropped = at, 0, 0
    end
    if taken < A_SECOND then
        taken = taken + 1
        return true
    end
    dropped = dropped + 1
    return false
end

-- Keeps {at, user?, client?, ip, method, path, status, bytes, seconds} of a request that passed.
function _M.access(entry)
    if not keep("access", entry, MOST.access) then
        drop(1)
    end
end

-- Keeps {id, at, check, reason, status, user?, client?, ip?, path?} of a request that was denied.
function _M.blocked(entry)
    local share = (entry.check == "token" or entry.check == "state") and COMMON_SHARE or 1
    if not keep("blocked", entry, MOST.blocked * share) then
        drop(1)
    end
end

local function take(queue)
    local entries = {}
    while #entries < BATCH[queue] do
        local text = dict:lpop(queue)
        if not text then
            break
        end
        entries[#entries + 1] = cjson.decode(text)
    end
    return entries
end

-- {access, blocked, dropped}: the oldest entries, as many as one report holds, and how many found no room since the
-- last one; removes what it returns. Nil when there is nothing.
function _M.take()
    local batch = { access = take("access"), blocked = take("blocked"), dropped = dict:get("dropped") or 0 }
    if #batch.access == 0 and #batch.blocked == 0 and batch.dropped == 0 then
        return nil
    end
    dict:incr("dropped", -batch.dropped, 0)
    return batch
end

return _M
