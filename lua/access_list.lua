-- The access list of this node. A full list goes into whichever of two dicts is idle, in slices, then one key makes
-- that the current one: whoever asks meanwhile sees the old list whole, then the new one whole. A change goes into
-- the current dict entry by entry: each is the old one or the new one, never half.

local lock = require "lock"
local utils = require "utils"

local ngx = ngx
local sleep = ngx.sleep
local worker = ngx.worker

local state = ngx.shared.state

local SLICE = 500 -- entries between two looks at the event loop: about a millisecond
local LOCK = "applying"

local _M = {}

-- Which list this node has, and up to which change; nil before the first one.
function _M.head()
    return state:get("access_list"), state:get("access_seq")
end

-- Whether there is a list at all.
function _M.loaded()
    return state:get("current") ~= nil
end

local function remember(list, seq)
    -- In this order: a number without its list means nothing.
    state:delete("access_seq")
    state:set("access_list", list)
    state:set("access_seq", seq)
end

-- Makes the next pull a full one.
function _M.forget()
    state:delete("access_seq")
    state:delete("access_list")
end

local function pause()
    sleep(0.001) -- Debian's nginx warns of 0, which would not let requests go first there
    if worker.exiting() then
        return nil, "nginx is reloading"
    end
    lock.renew(LOCK)
    return true
end

-- Calls `run` for every entry of `next`, giving way in between. Returns their number, or nil and why.
local function each(next, run)
    local count = 0
    while true do
        local key, value = next()
        if key == nil then
            return value == nil and count or nil, value
        end
        local ok, err = run(key, value)
        if not ok then
            return nil, err
        end
        count = count + 1
        if count % SLICE == 0 then
            ok, err = pause()
            if not ok then
                return nil, err
            end
        end
    end
end

local function put(list, key, value)
    if not value then
        list:delete(key)
        return true
    end
    local ok, err = list:safe_set(key, value)
    if not ok then
        return nil, "the list does not fit: " .. err
    end
    return true
end

local function empty(list)
    list:flush_all()
    while list:flush_expired(SLICE) > 0 do
        local ok, err = pause()
        if not ok then
            return nil, err
        end
    end
    return true
end

local function replace(answer)
    local name = state:get("current") == "access_a" and "access_b" or "access_a"
    local list = ngx.shared[name]
    local count, err = empty(list)
    if count then
        count, err = each(answer.next, function(key, value)
            return put(list, key, value)
        end)
    end
    if count then
        _M.forget()
        state:set("current", name)
    end
    return count, err
end

local function from_table(keys, values)
    local i = 0
    return function()
        i = i + 1
        return keys[i], values[i]
    end
end

-- The whole answer is read before its first entry counts.
local function change(answer)
    local list, head = ngx.shared[state:get("current") or ""], { _M.head() }
    if not list or head[1] ~= answer.list or head[2] ~= answer.from then
        return nil, "it changes another list than ours"
    end
    local keys, values, count = {}, {}, 0
    local ok, err = each(answer.next, function(key, value)
        count = count + 1
        keys[count], values[count] = key, value
        return true
    end)
    if not ok then
        return nil, err
    end
    return each(from_table(keys, values), function(key, value)
        return put(list, key, value)
    end)
end

-- Puts a parsed answer in force and returns its number of entries. After an error nothing has changed, or entries
-- that are true already, under the old number; `err` is about this answer unless the third value says that it was
-- only a bad moment.
function _M.apply(answer)
    if not lock.take(LOCK) then
        return nil, "another worker is applying a list", true
    end
    local count, err = (answer.full and replace or change)(answer)
    if count then
        remember(answer.list, answer.seq)
    end
    lock.drop(LOCK)
    return count, err and utils.clean(err), worker.exiting()
end

return _M
