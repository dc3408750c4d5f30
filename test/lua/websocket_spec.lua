local websocket = require "websocket"

describe("websocket handshake", function()
    local KEY = "dGhlIHNhbXBsZSBub25jZQ=="

    local function headers(over)
        local all = { upgrade = "WebSocket", connection = "keep-alive, Upgrade", key = KEY, version = "13" }
        for name, value in pairs(over or {}) do
            all[name] = value
        end
        return all
    end

    it("is rebuilt from what belongs to it", function()
        assert.equal("GET /vl HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            .. "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " .. KEY .. "\r\n\r\n",
            websocket.request("/vl", headers()))
    end)

    it("keeps early data", function()
        assert.matches("\r\nSec%-WebSocket%-Protocol: YWJj_%-\r\n\r\n$",
            websocket.request("/vl", headers { protocol = "YWJj_-" }))
    end)

    for what, over in pairs {
        ["another protocol"] = { upgrade = "h2c" },
        ["no upgrade"] = { connection = "close" },
        ["a short key"] = { key = "abc==" },
        ["a key with a line break"] = { key = "dGhlIHNhbXBsZSBub25j\r\nA==" },
        ["another version"] = { version = "12" },
        ["early data with a line break"] = { protocol = "a\r\nX: y" },
        ["too much early data"] = { protocol = ("a"):rep(4097) },
    } do
        it("is none with " .. what, function()
            assert.is_nil(websocket.request("/vl", headers(over)))
        end)
    end

    it("is answered with what belongs to it", function()
        local head = "HTTP/1.1 101 Whatever\r\nServer: x\r\nSet-Cookie: a=b\r\n"
            .. "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: "
        assert.equal("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            .. "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", websocket.answer(head))
    end)

    it("has no answer where the backend did not switch", function()
        assert.same({ nil, 404 }, { websocket.answer("HTTP/1.1 404 Not Found\r\nX: y") })
        assert.is_nil((websocket.answer("HTTP/1.1 101 Switching Protocols\r\nX: y")))
        assert.is_nil((websocket.answer("SSH-2.0-x")))
    end)
end)
