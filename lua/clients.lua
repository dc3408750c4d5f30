-- Which program asks, in which version, and on which device.

local matcher = require "matcher"
local places = require "places"

local ngx = ngx
local find = string.find
local gmatch = string.gmatch
local re_match = ngx.re.match
local tonumber = tonumber
local type = type

local LONGEST_PART = 15 -- digits: numbers beyond are no longer whole
local LONGEST_DEVICE = 64

local _M = {}

local EMBY_TOKENS = {
    "query:api_key", "query:ApiKey", "query:X-Emby-Token", "header:X-Emby-Token", "header:X-MediaBrowser-Token",
    "header:X-Emby-Authorization", "header:Authorization",
}
local EMBY_DEVICES = {
    "query:X-Emby-Device-Id", "query:DeviceId", "header:X-Emby-Device-Id", "header:X-Emby-Authorization",
    "header:Authorization",
}

-- Used where the rules describe no clients. The first that fits is it: a media player in a browser's window comes
-- before browsers.
_M.COMMON = {
    {
        name = "jellyfin",
        userAgent = [[(?i)jellyfin|findroid|swiftfin|streamyfin]],
        version = [[(?i)(?:jellyfin|findroid|swiftfin|streamyfin)[\w .-]*?[/ ]v?(\d+(?:\.\d+)*)]],
        tokens = EMBY_TOKENS,
        device = EMBY_DEVICES,
    },
    {
        name = "emby",
        userAgent = [[(?i)\bemby|mediabrowser|\binfuse\b]],
        version = [[(?i)(?:\bemby|mediabrowser|\binfuse)[\w .-]*?[/ ]v?(\d+(?:\.\d+)*)]],
        tokens = EMBY_TOKENS,
        device = EMBY_DEVICES,
    },
    {
        name = "v2ray",
        userAgent = [[(?i)v2ray|v2box|\bxray|sing-box|\bclash|mihomo|shadowrocket|nekobox|hiddify|stash/]],
        version = [[(?i)(?:v2ray\w*|v2box|xray|sing-box|clash[\w.-]*|mihomo|shadowrocket|nekobox|hiddify\w*|stash)/v?]]
            .. [[(\d+(?:\.\d+)*)]],
        tokens = {},
    },
    {
        name = "browser",
        userAgent = [[^Mozilla/5\.0 .*(?:Firefox|Chrome|CriOS|FxiOS|Safari)/]],
        version = [[(?:Edg|OPR|Firefox|FxiOS|CriOS|Chrome|Version)/(\d+(?:\.\d+)*)]],
        tokens = {},
    },
}

local function joined(first, second)
    local all = {}
    for _, list in ipairs { first, second } do
        for i = 1, #list do
            all[#all + 1] = list[i]
        end
    end
    return all
end

local function compile(client, common)
    local ok, err = matcher.compiles(client.userAgent)
    if ok and client.version then
        ok, err = matcher.compiles(client.version)
    end
    if not ok then
        return nil, err
    end
    local token, device
    token, err = places.reader(joined(common, client.tokens or {}), "Token")
    if token and client.device then
        local where = client.device
        device, err = places.reader(type(where) == "table" and where or { where }, "DeviceId")
    end
    if err then
        return nil, err
    end
    return { name = client.name, agent = client.userAgent, version = client.version, token = token, device = device }
end

-- A function from a User-Agent (text) to {name?, version?, token, device?}: which client it is (no name: none of
-- them) and what reads its token and its device's id from the query; nil where that cannot be told. `common`: places
-- of every client's token. Nil and why when a part cannot be used.
function _M.detector(described, common)
    local token, err = places.reader(common, "Token")
    if not token then
        return nil, err
    end
    local list = {}
    for i = 1, #described do
        list[i], err = compile(described[i], common)
        if not list[i] then
            return nil, err
        end
    end
    return function(agent)
        for i = 1, #list do
            local each = list[i]
            local from, _, broken = ngx.re.find(agent, each.agent, "jo")
            if broken then
                return nil
            end
            if from then
                return _M.identify(each, agent)
            end
        end
        return { token = token }
    end
end

-- What is known of a client that fits; nil when its version cannot be told.
function _M.identify(client, agent)
    local version
    if client.version then
        local groups, err = re_match(agent, client.version, "jo")
        if err then
            return nil
        end
        version = groups and groups[1] or nil
    end
    return { name = client.name, version = version, token = client.token, device = client.device }
end

-- The numbers that a version such as 4.7.10 consists of; what follows them is left out. Nil without any.
function _M.version(text)
    if type(text) ~= "string" or not find(text, "^%d") then
        return nil
    end
    local parts = {}
    for digits in gmatch(text:match("^[%d.]+"), "%d+") do
        if #digits > LONGEST_PART then
            return nil
        end
        parts[#parts + 1] = tonumber(digits)
    end
    return parts
end

-- Whether a version is at least the other one, part by part as numbers; one that cannot be read is not.
function _M.at_least(text, least)
    local have, want = _M.version(text), _M.version(least)
    if not have or not want then
        return false
    end
    for i = 1, math.max(#have, #want) do
        local mine, theirs = have[i] or 0, want[i] or 0
        if mine ~= theirs then
            return mine > theirs
        end
    end
    return true
end

-- A device's own id, if it can be used as one.
function _M.is_device(value)
    return type(value) == "string" and #value > 0 and #value <= LONGEST_DEVICE and find(value, "^[%w._:+/=-]+$") ~= nil
end

return _M
