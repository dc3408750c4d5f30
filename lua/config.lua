-- The configuration in force: the rules, which the workers compile when their version changes, the files of nginx,
-- and which revision of the control plane all this is.

local apply = require "apply"
local cjson = require "cjson.safe"
local lock = require "lock"
local rules_of = require "rules"
local utils = require "utils"

local ngx = ngx
local find = string.find
local pcall = pcall
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

-- {version, service = {name, rules}, serverConf = text or null} as a revision ({version, rules, files}), or nil and
-- what is wrong with it.
function _M.read(document)
    if type(document) ~= "table" then
        return nil, "it is not a JSON object"
    end
    local version, service, conf = document.version, document.service, document.serverConf
    if type(version) ~= "string" or not find(version, "^[%w._-]+$") or #version > LONGEST_VERSION then
        return nil, "it has no usable version"
    end
    if type(service) ~= "table" or type(service.rules) ~= "table" then
        return nil, "it has no rules"
    end
    if conf ~= nil and conf ~= cjson.null and type(conf) ~= "string" then
        return nil, "its serverConf is not a text"
    end
    local files = type(conf) == "string" and { ["server.conf"] = conf } or {}
    return { version = version, rules = service.rules, files = files }
end

-- Rules that cannot be compiled would close the gate.
local function check_rules(rules)
    local called, compiled, err = pcall(rules_of.compile, rules)
    if called and compiled then
        return true
    end
    return nil, "the rules cannot be used: " .. utils.clean(called and err or compiled)
end

local function put_rules(text, version)
    if cache:get("rules") ~= text then
        local ok, err = cache:safe_set("rules", text)
        if not ok then
            return nil, "the rules do not fit: " .. err
        end
        cache:set("rules_version", version)
    end
    return true
end

local function put_in_force(revision, staged)
    local before = { rules = cache:get("rules"), rules_version = cache:get("rules_version"), version = _M.version() }
    local ok, err = put_rules(cjson.encode(revision.rules), revision.version)
    if ok then
        -- Before a reload, for the worker that comes up with it.
        state:set("version", revision.version)
        ok, err = apply.activate(staged)
    end
    if not ok then
        state:set("version", before.version)
        cache:set("rules", before.rules)
        cache:set("rules_version", before.rules_version)
    end
    return ok, err
end

local function take(revision)
    local ok, err = check_rules(revision.rules)
    if not ok then
        return nil, err
    end
    local staged
    staged, err = apply.stage(revision.files)
    if not staged then
        return nil, err
    end
    return put_in_force(revision, staged)
end

-- Puts a revision in force: all of it, or nothing. `err` is about this revision unless the third value says that it
-- was only a bad moment.
function _M.apply(revision)
    -- An nginx that reloads has two of us for a moment.
    if not lock.take(LOCK) then
        return nil, "another worker is applying a configuration", true
    end
    local ok, err = take(revision)
    lock.drop(LOCK)
    return ok, err, ngx.worker.exiting()
end

return _M
