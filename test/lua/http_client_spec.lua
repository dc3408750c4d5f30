local stubs = require "stubs"

describe("http client", function()
    local http_client, socket

    before_each(function()
        stubs.reset()
        http_client = require "http_client"
    end)

    local function ask(bytes, over, faults)
        socket = stubs.socket(bytes, faults)
        ngx.socket = {
            tcp = function()
                return socket
            end,
        }
        local request = {
            method = "POST",
            url = { tls = false, host = "a.test", port = 80, authority = "a.test", path = "/base" },
            path = "/x",
            key = "k3y",
            body = "{}",
            limit = 100,
            seconds = 5,
        }
        for name, value in pairs(over or {}) do
            request[name] = value
        end
        return http_client.request(request)
    end

    it("sends one whole request and closes", function()
        ask("HTTP/1.1 204 No Content\r\n\r\n")
        assert.equal(
            "POST /base/x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nAccept: application/json\r\n"
                .. "Authorization: Bearer k3y\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
            socket.sent()
        )
        assert.is_true(socket.closed)
    end)

    it("reads a body by its length, in chunks, or none", function()
        assert.same({ 200, "hello" }, { ask("HTTP/1.1 200 OK\r\ncontent-LENGTH:  5 \r\n\r\nhello, more") })
        local chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert.same({ 200, "hello" }, { ask(chunked .. "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n") })
        assert.same({ 204, "" }, { ask("HTTP/1.1 204 No Content\r\n\r\n") })
        assert.same({ 404, "" }, { ask("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n") })
    end)

    local long = ("x"):rep(20000)
    local broken = {
        ["nothing"] = "",
        ["another protocol"] = "SSH-2.0-x\r\n\r\n",
        ["half a head"] = "HTTP/1.1 200 OK\r\nContent-Le",
        ["half a body"] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        ["no length"] = "HTTP/1.1 200 OK\r\n\r\nhello",
        ["a negative length"] = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        ["a body too long"] = "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" .. long,
        ["chunks too long"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n" .. long,
        ["a chunk without size"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ["an endless chunk line"] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1" .. long,
        ["endless headers"] = "HTTP/1.1 200 OK\r\nX: " .. long,
    }
    for what, bytes in pairs(broken) do
        it("refuses " .. what, function()
            local status, err = ask(bytes)
            assert.is_nil(status)
            assert.is_string(err)
            assert.is_true(socket.closed)
        end)
    end

    it("says why there was no connection", function()
        assert.same({ nil, "no connection: refused" }, { ask("", {}, { connect = "refused" }) })
        local tls = { url = { tls = true, host = "a.test", port = 443, authority = "a.test", path = "" } }
        assert.same({ nil, "no TLS: wrong name" }, { ask("", tls, { handshake = "wrong name" }) })
        assert.same({ nil, "no TLS: thrown" }, { ask("", tls, { throws = "thrown" }) })
    end)

    it("gives up on a body that takes too long", function()
        local head = "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"
        stubs.now = 1000
        require("utils").uptime = function()
            stubs.now = stubs.now + 3
            return stubs.now
        end
        local status, err = ask(head .. ("x"):rep(200000), { limit = 300000 })
        assert.same({ nil, "no whole answer: it took too long" }, { status, err })
    end)
end)
