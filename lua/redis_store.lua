-- What nodes that share a Redis know of each other (L2): how much of a quota everybody has used, where devices are
-- connected, and whom to refuse or slow down. Runs on a timer of the first worker alone; requests read what it leaves
-- in shared dicts. Without Redis each node goes on with what it knows itself, and tells the rest later.
--
-- In Redis:
--   lazarus:quota:<period>:<user>  hash: one life of one node -> "<requests> <bytes>" that it has counted
--   lazarus:sessions:<user>        sorted set: "<node>|<since>|<device>" by the second in which it is forgotten
--   lazarus:sessions:changed       sorted set: users by the second in which one of their sessions began or ended
--   lazarus:enforce                hash: user -> "reject" or "throttle:<bytes a second>"

local enforcement = require "enforcement"
local files = require "files"
local identity = require "identity"
local quotas = require "redis_quotas"
local resp = require "resp"
local sessions = require "redis_sessions"
local utils = require "utils"

local ngx = ngx
local find = string.find
local match = string.match
local min = math.min
local pcall = pcall
local random = math.random
local tonumber = tonumber

local PREFIX = "lazarus redis: "
local LOOK = 2      -- seconds between two exchanges
local LONGEST = 60  -- seconds between two tries while Redis is away
local PORT = 6379
local PASSWORD_FILE, PASSWORD_LIMIT = ngx.config.prefix() .. "../agent/redis-password", 1024
local NO_PASSWORD = "agent/redis-password is used for nothing: Redis has no password (requirepass)"
local WAY_ON = " Put Redis's password (requirepass) into agent/redis-password, readable by www-data"

local announce = utils.announcer(PREFIX)
local redis, delay = {}, LOOK

local _M = {}

-- Who we are among the others; the same after a restart.
local function node_name()
    local settings = identity.settings()
    return settings and settings.node or "pid-" .. ngx.worker.pid()
end

-- Redis's error, with what to do about it where that is the password.
local function with_way_on(err)
    return (find(err, "^NOAUTH") or find(err, "^WRONGPASS")) and err .. WAY_ON or err
end

-- Shows the password where there is one: from a file, which is in no process listing, and looked at anew each time.
local function log_in(client)
    local password = match(files.read(PASSWORD_FILE, PASSWORD_LIMIT) or "", "^[^\r\n]+")
    if not password then
        return true
    end
    local ok, err = client:call("AUTH", password)
    if not ok and find(err, "without any password", 1, true) then
        announce("password", ngx.WARN, NO_PASSWORD)
        return true
    end
    return ok, err
end

-- Redis's own clock, so that nodes whose clocks differ agree on what is over.
local function clock(client)
    local time, err = client:call("TIME")
    local seconds = type(time) == "table" and tonumber(time[1])
    if not seconds then
        return nil, err or "no time"
    end
    return seconds
end

local function exchange(client)
    local ok, err = log_in(client)
    if not ok then
        return nil, err
    end
    local now
    now, err = clock(client)
    if not now then
        return nil, err
    end
    for _, part in ipairs { quotas, sessions, enforcement } do
        ok, err = part.exchange(client, now, redis.node)
        if not ok then
            return nil, err
        end
    end
    return true
end

local function connect_and_exchange()
    redis.node = redis.node or node_name()
    local client, err = resp.connect(redis.host, redis.port)
    if not client then
        return nil, "no connection: " .. err
    end
    local called, ok, why = pcall(exchange, client)
    client:close()
    if not called then
        return nil, "it broke: " .. ok
    end
    return ok, why
end

local function turn(premature)
    if premature then
        return
    end
    local ok, err = connect_and_exchange()
    if ok then
        delay = LOOK
        announce("state", ngx.NOTICE, "counters are shared")
    else
        delay = min(LONGEST, delay * 2)
        announce("state", ngx.WARN, "counters are not shared: " .. utils.clean(with_way_on(err)))
    end
    _M.plan(delay * (0.9 + 0.2 * random()))
end

function _M.plan(seconds)
    local ok, err = ngx.timer.at(seconds, turn)
    if not ok and not ngx.worker.exiting() then
        ngx.log(ngx.EMERG, PREFIX, "stopped, no timer: ", err)
    end
end

-- Starts it in this worker where the environment names a Redis (REDIS_HOST, REDIS_PORT). Its password, if it has one,
-- is the first line of agent/redis-password.
function _M.start()
    redis.host, redis.port = os.getenv("REDIS_HOST"), tonumber(os.getenv("REDIS_PORT") or "") or PORT
    if redis.host and redis.host ~= "" then
        _M.plan(random())
    end
end

return _M
