-- The two halves of a websocket handshake, rebuilt from what is known: nothing else of a client's request reaches
-- v2ray, and nothing else of v2ray's answer the client.

local find = string.find
local format = string.format
local gmatch = string.gmatch
local lower = string.lower
local match = string.match
local tonumber = tonumber

-- Early data: 2048 bytes in base64, and some room.
local MAX_PROTOCOL = 4096
local PROTOCOL = "^[%w._~=+/-]+$"

local _M = {}

-- The header that names early data's place, as one line; nothing where there is none. Nil where it cannot be passed.
local function protocol_line(value)
    if value == nil or value == "" then
        return ""
    end
    if #value > MAX_PROTOCOL or not find(value, PROTOCOL) then
        return nil
    end
    return format("Sec-WebSocket-Protocol: %s\r\n", value)
end

-- The request for the backend from {upgrade, connection, key, version, protocol}; nil unless it is a handshake.
function _M.request(path, headers)
    local key = headers.key or ""
    local protocol = protocol_line(headers.protocol)
    if lower(headers.upgrade or "") ~= "websocket"
        or not find(lower(headers.connection or ""), "upgrade", 1, true)
        or #key ~= 24 or not find(key, "^[%w+/]+==$")
        or headers.version ~= "13" or not protocol then
        return nil
    end
    return format("GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", path, key, protocol)
end

-- The answer for the client from the head of the backend's; nil and its status where it did not switch.
function _M.answer(head)
    local status = tonumber(match(head, "^HTTP/1%.1 (%d%d%d)"))
    local accept, protocol
    for name, value in gmatch(head, "\r\n([%w-]+):[ \t]*([^\r\n]*)") do
        name = lower(name)
        if name == "sec-websocket-accept" then
            accept = match(value, "^[%w+/]+=$")
        elseif name == "sec-websocket-protocol" then
            protocol = value
        end
    end
    local line = protocol_line(protocol)
    if status ~= 101 or not accept or not line then
        return nil, status
    end
    return format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        .. "Sec-WebSocket-Accept: %s\r\n%s\r\n", accept, line)
end

return _M
