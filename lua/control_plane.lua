-- The control plane as the agent sees it: one function for each exchange, JSON in and out.

local cjson = require "cjson.safe"
local http_client = require "http_client"
local utils = require "utils"

local type = type

local SMALL, LARGE = 65536, 64 * 1024 * 1024 -- bytes of an answer: any, a configuration
local QUICK, LONG = 10, 60                   -- seconds for the body of it

local _M = {}

local function why(status, document)
    local code = type(document) == "table" and document.code
    return "status " .. status .. (type(code) == "string" and ", " .. utils.clean(code, 60) or "")
end

-- The answer's JSON (an empty table for none), or nil, why, and the status if there was an answer at all.
local function ask(peer, method, path, body)
    local large = method == "GET"
    local status, text = http_client.request {
        method = method,
        url = peer.url,
        path = "/api/v1/agent/" .. path,
        key = peer.key,
        body = body and cjson.encode(body),
        limit = large and LARGE or SMALL,
        seconds = large and LONG or QUICK,
    }
    if not status then
        return nil, utils.clean(text)
    end
    local document = text == "" and {} or cjson.decode(text)
    if status < 200 or status > 299 then
        return nil, why(status, document), status
    end
    if type(document) ~= "table" then
        return nil, "the answer is not a JSON object", status
    end
    return document, nil, status
end

-- `peer` is {url (parsed), node, key?, token?} in all of these; the contract is in docs/edge.md.

function _M.enrol(peer)
    return ask({ url = peer.url }, "POST", "enrol", { node = peer.node, token = peer.token })
end

function _M.register(peer, version)
    return ask(peer, "POST", "register", { node = peer.node, version = version })
end

function _M.heartbeat(peer, beat)
    beat.node = peer.node
    beat.configVersion = beat.configVersion or cjson.null
    return ask(peer, "POST", "heartbeat", beat)
end

function _M.config(peer)
    return ask(peer, "GET", "config")
end

function _M.ack(peer, outcome)
    return ask(peer, "POST", "ack", outcome)
end

return _M
