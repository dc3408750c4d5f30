-- Who this node is: agent.json, written by the deployment, and the key that the agent got for it.

local cjson = require "cjson.safe"
local files = require "files"
local utils = require "utils"

local find = string.find
local type = type

local HOME = ngx.config.prefix() .. "../agent/"
local SETTINGS_FILE, KEY_FILE = HOME .. "agent.json", HOME .. "key"
local LIMIT = 65536
local KEY_LIMIT = 512

local _M = {}

local function is_key(key)
    return type(key) == "string" and #key <= KEY_LIMIT and find(key, "^[%w._~-]+$") ~= nil
end

-- {node, url (parsed), token?, interval, missed, usage?, sessions?, telemetry?} from agent.json; times in seconds.
function _M.settings()
    local text, err = files.read(SETTINGS_FILE, LIMIT)
    if not text then
        return nil, utils.clean(err)
    end
    local given = cjson.decode(text)
    if type(given) ~= "table" or type(given.node) ~= "string" or type(given.apiBase) ~= "string" then
        return nil, "agent.json is not what it should be"
    end
    local url
    url, err = utils.parse_url(given.apiBase)
    if not url then
        return nil, "apiBase in agent.json is " .. err
    end
    return {
        node = given.node,
        url = url,
        token = given.enrolmentToken,
        interval = given.heartbeatInterval,
        missed = given.missedBeats,
        usage = given.usageInterval,
        sessions = given.sessionsInterval,
        telemetry = given.telemetryInterval,
    }
end

-- The key kept from an earlier enrolment, or nil.
function _M.key()
    local key = files.read(KEY_FILE, KEY_LIMIT)
    return is_key(key) and key or nil
end

-- Keeps a key for the next start.
function _M.keep_key(key)
    if not is_key(key) then
        return nil, "the answer holds no usable key"
    end
    local ok, err = files.write_private(KEY_FILE, key)
    return ok, err and utils.clean(err)
end

return _M
