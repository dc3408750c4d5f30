-- What changes on this node while it runs: the access list and the configuration are fetched, put in force, and the
-- configuration is acknowledged.

local access_answer = require "access_answer"
local access_list = require "access_list"
local cjson = require "cjson.safe"
local config = require "config"
local control_plane = require "control_plane"
local utils = require "utils"

local ngx = ngx
local min = math.min
local type = type

local state = ngx.shared.state

local REFUSED_SECONDS = 300 -- before a configuration that could not be applied is tried again
local LIST_SECONDS = 60     -- at most, before a whole list that could not be used is asked for again
local PREFIX = "lazarus agent: "
local ACK = "pending_ack"

local refused
local list = { wait = 0, from = 0 }

local _M = {}

-- Whether this version is to be pulled: it is not in force, and was not found unusable a moment ago.
function _M.wanted(version)
    local known_bad = refused and refused.version == version and utils.uptime() < refused.till
    return version ~= config.version() and not known_bad
end

-- Whether the list is to be pulled: `head` ({list, seq}) is not what this node has.
function _M.access_wanted(head)
    local id, seq = access_list.head()
    return (head.list ~= id or head.seq ~= seq) and utils.uptime() >= list.from
end

-- Tells how the last configuration fared, until the control plane has taken it. Survives a reload.
function _M.acknowledge(peer)
    local outcome = state:get(ACK)
    if not outcome then
        return true
    end
    local answer, err, status = control_plane.ack(peer, cjson.decode(outcome))
    local taken = answer or control_plane.final(status)
    if taken and state:get(ACK) == outcome then
        state:delete(ACK)
    end
    return answer and true, err
end

local function settle(version, err)
    local outcome = { version = version, status = err and "failed" or "applied", error = err }
    state:set(ACK, cjson.encode(outcome))
end

local function refuse(desired, version, err)
    ngx.log(ngx.ERR, PREFIX, "configuration ", utils.clean(version, 64), " not applied: ", err)
    refused = { version = desired, till = utils.uptime() + REFUSED_SECONDS }
    settle(version, err)
end

local function put_in_force(revision, desired)
    local ok, err, bad_moment = config.apply(revision)
    if ok then
        ngx.log(ngx.NOTICE, PREFIX, "configuration ", revision.version, " applied")
        settle(revision.version)
    elseif bad_moment then
        return nil, err
    else
        refuse(desired, revision.version, err)
    end
    return true
end

-- Fetches the configuration and puts it in force, or keeps the old one whole; either way the control plane is told.
-- Returns true, or nil, what failed and why: then nothing was decided, and the next beat will ask again.
function _M.pull(peer, desired)
    local document, err, status = control_plane.config(peer)
    if not document and status ~= 200 then
        return nil, "pulling", err
    end
    local revision
    if document then
        revision, err = config.read(document)
    end
    local ok = true
    if revision then
        ok, err = put_in_force(revision, desired)
    else
        refuse(desired, desired, err)
    end
    if not ok then
        return nil, "applying", err
    end
    ok, err = _M.acknowledge(peer)
    return ok, "acknowledging", err
end

-- An answer that cannot be used: the next one shall be the whole list; if that is no better, wait, longer each time.
local function refuse_list(whole, err)
    if whole then
        list.wait = min(LIST_SECONDS, list.wait * 2 + 1)
        list.from = utils.uptime() + list.wait
    else
        access_list.forget()
    end
    return nil, "reading the access list", err
end

-- Fetches what changed in the access list, or the whole list, and puts it in force. Returns true, or nil, what
-- failed and why: then the list is as it was.
function _M.pull_access(peer)
    local id, seq = access_list.head()
    local whole = not (id and seq)
    local text, err = control_plane.access(peer, id, seq)
    if not text then
        return nil, "pulling the access list", err
    end
    local answer
    answer, err = access_answer.parse(text)
    if not answer then
        return refuse_list(whole, err)
    end
    local count, why, bad_moment = access_list.apply(answer)
    if bad_moment and not count then
        return nil, "applying the access list", why
    end
    if not count then
        return refuse_list(whole or answer.full, why)
    end
    list.wait = 0
    if answer.full then
        ngx.log(ngx.NOTICE, PREFIX, "access list of ", count, " users in force")
    end
    return true
end

-- Whether a beat's answer names the head of an access list.
function _M.is_head(access)
    return type(access) == "table" and type(access.list) == "string" and type(access.seq) == "number"
end

return _M
