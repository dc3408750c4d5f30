-- The configuration in force: the rules, which the workers compile when their version changes, and which revision
-- of the control plane this is.

local access_list = require "access_list"
local apply = require "apply"
local cjson = require "cjson.safe"
local digest = require "digest"
local lock = require "lock"

local ngx = ngx
local find = string.find
local next = next
local type = type

local state = ngx.shared.state
local cache = ngx.shared.config_cache

local LOCK = "configuring"
local LONGEST_VERSION = 64

local _M = {}

-- The version in force, or nil.
function _M.version()
    return state:get("version")
end

-- The shape of a configuration: {version, service = {name, rules}, serverConf = text or null}.
function _M.check(document)
    if type(document) ~= "table" then
        return nil, "it is not a JSON object"
    end
    local version, service, conf = document.version, document.service, document.serverConf
    if type(version) ~= "string" or not find(version, "^[%w._-]+$") or #version > LONGEST_VERSION then
        return nil, "it has no usable version"
    end
    if service == nil and type(document.access) == "table" then
        return true
    end
    if type(service) ~= "table" or type(service.rules) ~= "table" then
        return nil, "it has no rules"
    end
    if conf ~= nil and conf ~= cjson.null and type(conf) ~= "string" then
        return nil, "its serverConf is not a text"
    end
    return true
end

-- The form of earlier control planes: the list inside the configuration, numbers for ends.
local function old_entries(access)
    local hash, entry
    return function()
        hash, entry = next(access, hash)
        if hash == nil then
            return nil
        end
        local key = type(hash) == "string" and digest.from_hex(hash)
        if not key then
            return nil, "an entry's name is not a SHA-256 in hex"
        end
        if type(entry) ~= "number" or entry < 0 or entry > 2 ^ 53 or entry % 1 ~= 0 then
            return nil, "an entry's end is not a time in whole seconds"
        end
        return key, entry
    end
end

local function put_rules(text, version)
    if text and cache:get("rules") ~= text then
        local ok, err = cache:safe_set("rules", text)
        if not ok then
            return nil, "the rules do not fit: " .. err
        end
        cache:set("rules_version", version)
    end
    return true
end

local function put_in_force(document, staged)
    local before = { rules = cache:get("rules"), rules_version = cache:get("rules_version"), version = _M.version() }
    local text = document.service and cjson.encode(document.service.rules)
    local ok, err = put_rules(text, document.version)
    if ok then
        -- Before a reload, for the worker that comes up with it.
        state:set("version", document.version)
        ok, err = apply.activate(staged)
    end
    if not ok then
        state:set("version", before.version)
        cache:set("rules", before.rules)
        cache:set("rules_version", before.rules_version)
    end
    return ok, err
end

local function take(document)
    local conf = document.serverConf
    local staged, err = apply.stage(type(conf) == "string" and { ["server.conf"] = conf } or {})
    if not staged then
        return nil, err
    end
    if document.access then
        local count, bad_moment
        count, err, bad_moment = access_list.apply { full = true, next = old_entries(document.access) }
        if not count then
            return nil, err, bad_moment
        end
    end
    return put_in_force(document, staged)
end

-- Puts a checked configuration in force: all of it, or nothing. `err` is about this configuration unless the third
-- value says that it was only a bad moment.
function _M.apply(document)
    -- An nginx that reloads has two of us for a moment.
    if not lock.take(LOCK) then
        return nil, "another worker is applying a configuration", true
    end
    local ok, err, bad_moment = take(document)
    lock.drop(LOCK)
    return ok, err, bad_moment or ngx.worker.exiting()
end

return _M
