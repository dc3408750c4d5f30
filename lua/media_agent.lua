-- The agent of a media edge, which an operator installs by hand: APP_TOKEN and API_BASE in the environment instead of
-- an enrolment. It asks which version it should have, fetches it when that is another one, and tells how that went.

local cjson = require "cjson.safe"
local config = require "config"
local control_plane = require "control_plane"
local loop = require "loop"
local telemetry = require "telemetry"
local usage = require "usage"
local utils = require "utils"

local ngx = ngx
local getenv = os.getenv
local pairs = pairs
local tonumber = tonumber
local tostring = tostring
local type = type

local state = ngx.shared.state

local INTERVAL, MISSED, GRACE = 30, 3, 1 -- seconds, polls, seconds
local REFUSED_SECONDS = 300 -- before a configuration that could not be applied is tried again
local PREFIX = "lazarus agent: "
local ACK = "pending_ack"
local BLANK = "# Everything is in server.conf.\n"
local LIMITS = { "limits", "quotas", "sessions" }

local complain, forget_complaints = utils.announcer(PREFIX)
local peer, interval, answered, refused = nil, INTERVAL, false, nil

local _M = {}

-- Whether this is a media edge.
function _M.wanted()
    return (getenv("APP_TOKEN") or "") ~= ""
end

local function failed(what, err)
    answered = false
    complain(what, ngx.WARN, what .. " failed: " .. err)
    return nil
end

local function heard()
    state:set("heard", ngx.now())
    state:set("window", interval * MISSED + GRACE)
    if not answered then
        answered = true
        forget_complaints()
        ngx.log(ngx.NOTICE, PREFIX, "the control plane answers")
    end
end

local function acknowledge()
    local outcome = state:get(ACK)
    if not outcome then
        return
    end
    local answer, err, status = control_plane.media_ack(peer, cjson.decode(outcome))
    if (answer or control_plane.final(status)) and state:get(ACK) == outcome then
        state:delete(ACK)
    end
    if not answer then
        failed("acknowledging", err)
    end
end

local function settle(snapshot, err)
    if type(snapshot) == "number" then
        local outcome = { snapshot_id = snapshot, status = err and "failed" or "applied", error = err }
        state:set(ACK, cjson.encode(outcome))
    end
    acknowledge()
end

-- The rules, with their limits where the protocol has them.
local function rules_of(document)
    local rules = document.lua_config
    for _, name in pairs(LIMITS) do
        local given = type(document.rate_limit_config) == "table" and document.rate_limit_config[name]
        if type(given) == "table" then
            rules[name] = given
        end
    end
    return rules
end

-- An answer as a revision ({version, rules, files}), or nil and what is wrong with it.
function _M.read(document)
    if type(document.version) ~= "number" or type(document.lua_config) ~= "table" then
        return nil, "it has no version or no rules"
    end
    if type(document.rendered_nginx) ~= "string" then
        return nil, "it has no rendered_nginx"
    end
    local files = {
        ["server.conf"] = document.rendered_nginx,
        ["upstream.conf"] = BLANK,
        ["maps.conf"] = BLANK,
    }
    local lua = document.rendered_lua
    if type(lua) == "string" and lua ~= "" then
        files["lua/access.lua"] = lua
    end
    return { version = tostring(document.version), rules = rules_of(document), files = files }
end

local function refuse(version, snapshot, err)
    ngx.log(ngx.ERR, PREFIX, "configuration ", version, " not applied: ", err)
    refused = { version = version, till = utils.uptime() + REFUSED_SECONDS }
    settle(snapshot, err)
end

local function pull(version, snapshot)
    local document, err, status = control_plane.media_config(peer)
    if not document and status ~= 200 then
        return failed("pulling", err)
    end
    local revision
    if document then
        revision, err = _M.read(document)
    end
    if not revision then
        return refuse(version, snapshot, err)
    end
    local ok, why, bad_moment = config.apply(revision)
    if ok then
        -- The tokens here are those of the servers behind, which check them.
        state:set("current", "anyone")
        ngx.log(ngx.NOTICE, PREFIX, "configuration ", revision.version, " applied")
        settle(snapshot)
    elseif bad_moment then
        failed("applying", why)
    else
        refuse(version, snapshot, why)
    end
end

local function is_new(version)
    local known_bad = refused and refused.version == version and utils.uptime() < refused.till
    return version > 0 and tostring(version) ~= config.version() and not known_bad
end

local function step()
    acknowledge()
    local answer, err = control_plane.media_version(peer, tonumber(config.version()) or 0)
    if not answer then
        return failed("asking for the version", err)
    end
    if type(answer.version) ~= "number" then
        return failed("asking for the version", "the answer names none")
    end
    heard()
    if is_new(answer.version) then
        pull(answer.version, answer.snapshot_id)
    end
end

-- Nobody asks a media edge for these.
local function forget_reports()
    while usage.take(10000) or telemetry.take() do
        ngx.sleep(0.001)
    end
end

local function step_and_forget()
    step()
    forget_reports()
end

-- Starts it in this worker. The interval may be shortened by PULL_INTERVAL, in seconds.
function _M.start()
    local url, err = utils.parse_url(getenv("API_BASE") or "")
    if not url then
        ngx.log(ngx.EMERG, PREFIX, "not started: API_BASE is ", err)
        return
    end
    peer = { url = url, key = getenv("APP_TOKEN") }
    interval = utils.number(tonumber(getenv("PULL_INTERVAL")), 0.1, 3600) or INTERVAL
    loop.start(function()
        return interval
    end, step_and_forget, complain)
end

return _M
