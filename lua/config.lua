-- The access list of this node. Two dicts take turns: the idle one is filled, in slices, then one key makes it the
-- current one. Whoever asks meanwhile sees the old list whole, then the new one whole.

local digest = require "digest"
local utils = require "utils"

local ngx = ngx
local pairs = pairs
local type = type
local match = string.match
local sleep = ngx.sleep
local worker = ngx.worker

local state = ngx.shared.state

local SLICE = 1000      -- entries between two looks at the event loop: well under a millisecond
local LOCK_SECONDS = 60 -- renewed with every slice
local LATEST = 2 ^ 53   -- numbers beyond are no longer whole

local _M = {}

-- The version in force, or nil.
function _M.version()
    return state:get("version")
end

local function idle_list()
    return state:get("current") == "access_a" and "access_b" or "access_a"
end

local function pause()
    sleep(0.001) -- Debian's nginx warns of 0, which would not let requests go first there
    if worker.exiting() then
        return nil, "nginx is reloading"
    end
    state:expire("applying", LOCK_SECONDS)
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

local function put(list, hash, expiry)
    local key = type(hash) == "string" and digest.from_hex(hash)
    if not key then
        return nil, "an entry's name is not a SHA-256 in hex"
    end
    if not utils.number(expiry, 0, LATEST) or expiry % 1 ~= 0 then
        return nil, "an entry's end is not a time in whole seconds"
    end
    local ok, err = list:safe_set(key, expiry)
    if not ok then
        return nil, "the list does not fit: " .. err
    end
    return true
end

local function fill(list, access)
    local count = 0
    for hash, expiry in pairs(access) do
        local ok, err = put(list, hash, expiry)
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
    return count
end

local function switch(access, version)
    local name = idle_list()
    local list = ngx.shared[name]
    local ok, err = empty(list)
    if not ok then
        return nil, err
    end
    local count
    count, err = fill(list, access)
    if not count then
        return nil, err
    end
    state:set("current", name)
    state:set("version", version)
    return count
end

-- The shape of a configuration: {version, access = {hex = epoch seconds}}.
function _M.check(document)
    if type(document) ~= "table" then
        return nil, "it is not a JSON object"
    end
    if type(document.version) ~= "string" or not match(document.version, "^[%w._-]+$")
        or #document.version > 64 then
        return nil, "it has no usable version"
    end
    if type(document.access) ~= "table" then
        return nil, "it has no access list"
    end
    return true
end

-- Puts a checked configuration in force and returns its number of entries. After an error the old list stays;
-- `err` is about this configuration unless the third value says that it was only a bad moment.
function _M.apply(document)
    -- An nginx that reloads has two of us for a moment, and there is one idle list.
    if not state:add("applying", true, LOCK_SECONDS) then
        return nil, "another worker is applying a list", true
    end
    local count, err = switch(document.access, document.version)
    state:delete("applying")
    return count, err, worker.exiting()
end

return _M
