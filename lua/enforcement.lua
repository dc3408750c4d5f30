-- Whom to refuse or slow down on all nodes that share a Redis, as an operator or a node has written it there. What
-- was read last holds until something else was read, also while Redis is away.

local utils = require "utils"

local ngx = ngx
local concat = table.concat
local find = string.find
local gmatch = string.gmatch
local match = string.match
local sort = table.sort
local tonumber = tonumber
local type = type

local cache = ngx.shared.config_cache

local KEY = "lazarus:enforce"
local EVERY = 6    -- seconds between two looks
local MOST = 10000 -- users
local SLOWEST = 1024
local TEXT, VERSION = "enforce", "enforce_version"

local _M = {}

local last, actions, version = 0, {}, nil

-- Without a Redis there is nothing to look for.
local shares = os.getenv("REDIS_HOST") ~= nil

local function is_action(action)
    local rate = tonumber(match(action, "^throttle:(%d+)$") or "")
    return action == "reject" or rate ~= nil and rate >= SLOWEST
end

local function add(lines, pairs_of)
    for i = 1, #pairs_of, 2 do
        local user, action = pairs_of[i], pairs_of[i + 1]
        if type(user) == "string" and not find(user, "[|\n]") and is_action(action or "") then
            lines[#lines + 1] = user .. "|" .. action
        end
    end
    return #lines <= MOST
end

local function read(client)
    local lines, cursor = {}, "0"
    repeat
        local reply, err = client:call("HSCAN", KEY, cursor, "COUNT", 1000)
        if type(reply) ~= "table" or type(reply[2]) ~= "table" then
            return nil, err or "no list of actions"
        end
        cursor = reply[1]
        if not add(lines, reply[2]) then
            return nil, "actions against too many users"
        end
    until cursor == "0"
    sort(lines)
    return concat(lines, "\n")
end

-- Reads what is to be enforced. True, or nil and why.
function _M.exchange(client, now)
    if now - last < EVERY and now >= last then
        return true
    end
    local text, err = read(client)
    if not text then
        return nil, err
    end
    last = now
    if text ~= cache:get(TEXT) then
        local ok
        ok, err = cache:safe_set(TEXT, text)
        if not ok then
            return nil, utils.clean(err)
        end
        cache:incr(VERSION, 1, 0)
    end
    return true
end

-- What is enforced against a user: "reject", bytes a second, or nil.
function _M.of(user)
    if not shares then
        return nil
    end
    local current = cache:get(VERSION)
    if current ~= version then
        actions, version = {}, current
        for who, action in gmatch(cache:get(TEXT) or "", "([^|\n]+)|([^\n]+)") do
            actions[who] = action == "reject" and action or tonumber(match(action, "%d+$"))
        end
    end
    return actions[user]
end

return _M
