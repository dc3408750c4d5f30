local stubs = require "stubs"

describe("resp", function()
    local resp, socket

    before_each(function()
        stubs.reset()
        package.loaded.resp = nil
        ngx.null = {}
        resp = require "resp"
    end)

    local function connect(bytes, faults)
        socket = stubs.socket(bytes, faults)
        ngx.socket = {
            tcp = function()
                return socket
            end,
        }
        return resp.connect("127.0.0.1", 6379)
    end

    it("sends commands as they are, whatever is in them", function()
        connect("+OK\r\n:1\r\n"):pipeline { { "SET", "a b", "x\r\ny" }, { "INCR", 7 } }
        assert.equal("*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$4\r\nx\r\ny\r\n*2\r\n$4\r\nINCR\r\n$1\r\n7\r\n", socket.sent())
    end)

    it("reads every kind of reply", function()
        local texts, lists = "$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n", "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n*0\r\n"
        local replies = connect("+OK\r\n-ERR no\r\n:-7\r\n" .. texts .. lists)
            :pipeline { {}, {}, {}, {}, {}, {}, {}, {} }
        assert.same({ "OK", { err = "ERR no" }, -7, "a\r\nbc", "", ngx.null, { 1, { "x" } }, {} }, replies)
    end)

    it("gives one reply, or Redis's error", function()
        assert.equal("PONG", connect("+PONG\r\n"):call("PING"))
        assert.same({ nil, "ERR no" }, { connect("-ERR no\r\n"):call("PING") })
    end)

    it("says why there is no connection", function()
        assert.same({ nil, "refused" }, { connect("", { connect = "refused" }) })
    end)

    for what, bytes in pairs {
        ["something else than Redis"] = "HTTP/1.1 200 OK\r\n",
        ["no number"] = ":x\r\n",
        ["half a text"] = "$10\r\nabc",
        ["a text that does not end"] = "$1\r\nabc",
        ["a text too long"] = "$99999999\r\n",
        ["a list too long"] = "*99999999\r\n",
        ["lists too deep"] = ("*1\r\n"):rep(10) .. ":1\r\n",
        ["a negative length"] = "$-2\r\n",
        ["a line too long"] = "+" .. ("a"):rep(2000) .. "\r\n",
        ["nothing"] = "",
    } do
        it("refuses " .. what .. ", and closes", function()
            local reply, err = connect(bytes):call("PING")
            assert.is_nil(reply)
            assert.is_string(err)
            assert.is_true(socket.closed)
        end)
    end

    it("refuses answers that take too long", function()
        local client = connect("+a\r\n+b\r\n")
        local receive_line = client.line
        client.line = function(limit)
            stubs.now = stubs.now + 6
            return receive_line(limit)
        end
        assert.same({ nil, "the answers are too many or too slow" }, { client:pipeline { { "A" }, { "B" } } })
    end)
end)
