-- Configuration as it changes: fetched, put in force, and acknowledged.

local config = require "config"
local control_plane = require "control_plane"
local utils = require "utils"

local ngx = ngx

local REFUSED_SECONDS = 300 -- before a configuration that could not be applied is tried again
local PREFIX = "lazarus agent: "

local pending_ack, refused

local _M = {}

-- Whether this version is to be pulled: it is not in force, and was not found unusable a moment ago.
function _M.wanted(version)
    local known_bad = refused and refused.version == version and ngx.now() < refused.till
    return version ~= config.version() and not known_bad
end

-- Tells how the last configuration fared, until the control plane has taken it.
function _M.acknowledge(peer)
    local outcome = pending_ack
    if not outcome then
        return true
    end
    local answer, err, status = control_plane.ack(peer, outcome)
    -- A 4xx will not get better by repeating, except for a refused key and "too many".
    local final = status and status < 500 and status ~= 401 and status ~= 429
    if final and pending_ack == outcome then
        pending_ack = nil
    end
    return answer and true, err
end

local function refuse(desired, version, err)
    ngx.log(ngx.ERR, PREFIX, "configuration ", utils.clean(version, 64), " not applied: ", err)
    refused = { version = desired, till = ngx.now() + REFUSED_SECONDS }
    pending_ack = { version = version, status = "failed", error = err }
end

local function put_in_force(document, desired)
    local count, err, bad_moment = config.apply(document)
    if count then
        ngx.log(ngx.NOTICE, PREFIX, "configuration ", document.version, " applied, ", count, " tokens")
        pending_ack = { version = document.version, status = "applied" }
        return true
    end
    if bad_moment then
        return nil, err
    end
    refuse(desired, document.version, err)
    return true
end

-- Fetches the configuration and puts it in force, or keeps the old one whole; either way the control plane is told.
-- Returns true, or nil, what failed and why: then nothing was decided, and the next beat will ask again.
function _M.pull(peer, desired)
    local document, err, status = control_plane.config(peer)
    if not document and status ~= 200 then
        return nil, "pulling", err
    end
    local usable = document
    if document then
        usable, err = config.check(document)
    end
    local ok = true
    if usable then
        ok, err = put_in_force(document, desired)
    else
        refuse(desired, desired, err)
    end
    if not ok then
        return nil, "applying", err
    end
    ok, err = _M.acknowledge(peer)
    return ok, "acknowledging", err
end

return _M
