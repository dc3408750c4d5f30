-- The control plane as the agent sees it: one function for each exchange, JSON in and out.

local cjson = require "cjson.safe"
local http_client = require "http_client"
local utils = require "utils"

local format = string.format
local type = type

local SMALL, LARGE = 65536, 64 * 1024 * 1024 -- bytes of an answer: any, a configuration
local QUICK, LONG = 10, 60                   -- seconds for the body of it

local AGENT, MEDIA = "/api/v1/agent/", "/api/v1/media-slave/"
local PASSING = { [401] = true, [403] = true, [404] = true, [408] = true, [429] = true }

local _M = {}

local function why(status, document)
    local code = type(document) == "table" and document.code
    return "status " .. status .. (type(code) == "string" and ", " .. utils.clean(code, 60) or "")
end

-- The answer's text, or nil, why, and the status if there was an answer at all.
local function fetch(peer, method, path, body)
    local large = method == "GET"
    local status, text = http_client.request {
        method = method,
        url = peer.url,
        path = path,
        key = peer.key,
        body = body,
        limit = large and LARGE or SMALL,
        seconds = large and LONG or QUICK,
    }
    if not status then
        return nil, utils.clean(text)
    end
    if status < 200 or status > 299 then
        return nil, why(status, cjson.decode(text)), status
    end
    return text, nil, status
end

-- The answer's JSON (an empty table for none), or nil, why, and the status if there was an answer at all.
local function ask(peer, method, path, body)
    local text, err, status = fetch(peer, method, path, body and cjson.encode(body))
    if not text then
        return nil, err, status
    end
    local document = text == "" and {} or cjson.decode(text)
    if type(document) ~= "table" then
        return nil, "the answer is not a JSON object", status
    end
    return document, nil, status
end

-- `peer` is {url (parsed), node, key?, token?} in all of these; the contract is in docs/protocol.md.

-- Whether asking the same again cannot lead to another answer than this status. A refused key may be replaced, and
-- 404 is what a control plane of another version says.
function _M.final(status)
    return status ~= nil and status >= 400 and status < 500 and not PASSING[status]
end

function _M.enrol(peer)
    return ask({ url = peer.url }, "POST", AGENT .. "enrol", { node = peer.node, token = peer.token })
end

function _M.register(peer, version)
    return ask(peer, "POST", AGENT .. "register", { node = peer.node, version = version })
end

function _M.heartbeat(peer, beat)
    beat.node = peer.node
    beat.configVersion = beat.configVersion or cjson.null
    beat.accessList, beat.accessSeq = beat.accessList or cjson.null, beat.accessSeq or cjson.null
    return ask(peer, "POST", AGENT .. "heartbeat", beat)
end

function _M.config(peer)
    return ask(peer, "GET", AGENT .. "config")
end

function _M.ack(peer, outcome)
    return ask(peer, "POST", AGENT .. "ack", outcome)
end

-- The text of what came after change `since` of a list; without them, of the whole list.
function _M.access(peer, list, since)
    local query = list and since and "?list=" .. list .. "&since=" .. format("%d", since) or ""
    return fetch(peer, "GET", AGENT .. "access" .. query)
end

-- Sends a report that is JSON text already.
function _M.report(peer, what, text)
    local answer, err, status = fetch(peer, "POST", AGENT .. what, text)
    if not answer then
        return nil, err, status
    end
    local document = cjson.decode(answer)
    if type(document) ~= "table" then
        return nil, "the answer is not a JSON object", status
    end
    return document, nil, status
end

-- A media edge: what it should have, given the version that it has (0: none).
function _M.media_version(peer, version)
    return ask(peer, "GET", MEDIA .. "config/version?version=" .. format("%d", version))
end

function _M.media_config(peer)
    return ask(peer, "GET", MEDIA .. "config")
end

function _M.media_ack(peer, outcome)
    return ask(peer, "POST", MEDIA .. "ack", outcome)
end

return _M
