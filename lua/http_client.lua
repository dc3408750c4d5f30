-- One HTTP/1.1 exchange over a cosocket: verified TLS, bounded in time and size. No connection is kept: beats are
-- further apart than servers keep idle connections.

local utils = require "utils"

local ngx = ngx
local concat = table.concat
local find = string.find
local format = string.format
local gmatch = string.gmatch
local lower = string.lower
local match = string.match
local min = math.min
local pcall = pcall
local tonumber = tonumber

local TIMEOUT = 5000        -- milliseconds for each connect, write and read
local HEAD_LIMIT = 16384
local LINE_LIMIT = 128
local SLICE = 65536

local _M = {}

local function connect(sock, url)
    local ok, err = sock:connect(url.host, url.port)
    if not ok then
        return nil, "no connection: " .. err
    end
    if not url.tls then
        return true
    end
    -- The handshake may throw instead of answering; the name is checked because it is given.
    local called, session, reason = pcall(sock.sslhandshake, sock, nil, url.host, true)
    if not called or not session then
        return nil, "no TLS: " .. (called and reason or session)
    end
    return true
end

local function request_text(request)
    local url, body = request.url, request.body
    local lines = {
        format("%s %s%s HTTP/1.1", request.method, url.path, request.path),
        "Host: " .. url.authority,
        "Connection: close",
        "Accept: application/json",
    }
    if request.key then
        lines[#lines + 1] = "Authorization: Bearer " .. request.key
    end
    if body then
        lines[#lines + 1] = "Content-Type: application/json"
        lines[#lines + 1] = "Content-Length: " .. #body
    end
    return concat(lines, "\r\n") .. "\r\n\r\n" .. (body or "")
end

-- The text before `stop`, which must come within `limit` bytes.
local function read_until(sock, stop, limit)
    local reader = sock:receiveuntil(stop)
    local text, err = reader(limit)
    if not text then
        return nil, err or "nothing"
    end
    if reader(1) then
        return nil, "a line or the headers are too long"
    end
    return text
end

local function read_head(sock)
    local head, err = read_until(sock, "\r\n\r\n", HEAD_LIMIT)
    if not head then
        return nil, err
    end
    local status = tonumber(match(head, "^HTTP/1%.[01] (%d%d%d)"))
    if not status then
        return nil, "the answer is not HTTP"
    end
    local headers = {}
    for name, value in gmatch(head, "\r\n([^:%s]+):[ \t]*([^\r\n]*)") do
        headers[lower(name)] = value
    end
    return status, headers
end

local function read_exactly(sock, length, parts, deadline)
    local left = length
    while left > 0 do
        if utils.uptime() > deadline then
            return nil, "it took too long"
        end
        local part, err = sock:receive(min(left, SLICE))
        if not part then
            return nil, err
        end
        parts[#parts + 1] = part
        left = left - #part
    end
    return true
end

local function read_chunks(sock, limit, parts, deadline)
    local total = 0
    while true do
        local line, err = read_until(sock, "\r\n", LINE_LIMIT)
        if not line then
            return nil, err
        end
        local size = tonumber(match(line, "^%x+") or "", 16)
        if not size then
            return nil, "a chunk has no size"
        end
        if size == 0 then
            return true
        end
        total = total + size
        if total > limit then
            return nil, "it is too long"
        end
        local ok
        ok, err = read_exactly(sock, size, parts, deadline)
        if ok then
            ok, err = sock:receive(2)
        end
        if not ok then
            return nil, err
        end
    end
end

local function read_parts(sock, headers, limit, deadline)
    local parts = {}
    if find(lower(headers["transfer-encoding"] or ""), "chunked", 1, true) then
        local ok, err = read_chunks(sock, limit, parts, deadline)
        return ok and parts, err
    end
    local length = tonumber(match(headers["content-length"] or "", "^(%d+)%s*$"))
    if not length then
        return nil, "it has no length"
    end
    if length > limit then
        return nil, "it is too long"
    end
    local ok, err = read_exactly(sock, length, parts, deadline)
    return ok and parts, err
end

local function read_body(sock, status, headers, limit, deadline)
    if status == 204 or status == 304 then
        return ""
    end
    local parts, err = read_parts(sock, headers, limit, deadline)
    if not parts then
        return nil, err
    end
    return concat(parts)
end

local function exchange(sock, request)
    local ok, err = connect(sock, request.url)
    if ok then
        ok, err = sock:send(request_text(request))
    end
    if not ok then
        return nil, err
    end
    local status, headers = read_head(sock)
    if not status then
        return nil, "no answer: " .. headers
    end
    local body
    body, err = read_body(sock, status, headers, request.limit, utils.uptime() + request.seconds)
    if not body then
        return nil, "no whole answer: " .. err
    end
    return status, body
end

-- Sends {method, url (parsed), path, key?, body?, limit (bytes), seconds}; returns status and body, or nil and why.
function _M.request(request)
    local sock = ngx.socket.tcp()
    sock:settimeouts(TIMEOUT, TIMEOUT, TIMEOUT)
    local status, body = exchange(sock, request)
    sock:close()
    return status, body
end

return _M
