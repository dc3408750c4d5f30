-- Serves /vl and /vm once the gate let a request pass: a websocket to v2ray, and nothing else. The token stays here.

local gate = require "gate"
local pace = require "pace"
local session_checker = require "session_checker"
local tunnel = require "tunnel"
local usage = require "usage"
local websocket = require "websocket"

local ngx = ngx

local PORTS = { ["/vl"] = 10801, ["/vm"] = 10802 }
local CONNECT, ANSWER = 2000, 5000 -- milliseconds
local HEAD_LIMIT = 8192

local function handshake()
    local var = ngx.var
    if ngx.req.get_method() ~= "GET" or ngx.req.http_version() ~= 1.1 or var.http_content_length
        or var.http_transfer_encoding then
        return nil
    end
    return websocket.request(var.uri, {
        upgrade = var.http_upgrade,
        connection = var.http_connection,
        key = var.http_sec_websocket_key,
        version = var.http_sec_websocket_version,
        protocol = var.http_sec_websocket_protocol,
    })
end

-- The head of the answer; nil when there is none within the limits.
local function read_head(server)
    local reader = server:receiveuntil("\r\n\r\n")
    local head = reader(HEAD_LIMIT)
    return head and not reader(1) and head
end

-- A connection on which v2ray switched, and the answer for the client; nil when there is nobody or no such answer.
local function open(port, request)
    local server = ngx.socket.tcp()
    server:settimeouts(CONNECT, ANSWER, ANSWER)
    local head = server:connect("127.0.0.1", port) and server:send(request) and read_head(server)
    local answer = head and websocket.answer(head)
    if not answer then
        server:close()
        return nil
    end
    return server, answer
end

-- What a tunnel asks and tells while it lives.
local function keeper(who)
    local user = who.user
    return {
        count = function(up, down)
            usage.add(user, up, down, 0)
        end,
        still = function()
            session_checker.touch(user, who.device)
            return gate.still(who.hash, who)
        end,
        rate = function()
            return who.rate
        end,
        pace = function(bytes, rate)
            return pace.wait(user, bytes, rate)
        end,
    }
end

local function serve()
    local who, port, request = ngx.ctx.lazarus, PORTS[ngx.var.uri], handshake()
    -- Nobody's traffic cannot be counted, so a tunnel is for users even where a skip list leads to it.
    if not request or not port or not who or not who.user then
        return ngx.exit(ngx.HTTP_NOT_FOUND)
    end
    local server, answer = open(port, request)
    if not server then
        return ngx.exit(ngx.HTTP_BAD_GATEWAY)
    end
    ngx.status = 101
    local client = ngx.req.socket(true)
    if not client or not client:send(answer) then
        server:close()
        return ngx.exit(ngx.HTTP_CLOSE)
    end
    local outcome = tunnel.run(client, server, keeper(who))
    if outcome ~= "ended" then
        -- Without waiting for what the client still sends.
        return ngx.exit(ngx.HTTP_CLOSE)
    end
end

serve()
