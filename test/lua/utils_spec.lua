local stubs = require "stubs"

describe("utils", function()
    local utils

    before_each(function()
        stubs.reset()
        utils = require "utils"
    end)

    it("keeps foreign text on one line of bounded length", function()
        assert.equal("a?b?c?", utils.clean("a\nb\0c\255"))
        assert.equal(300, #utils.clean(("x"):rep(1000)))
        assert.equal("abc", utils.clean("abcdef", 3))
        assert.equal("nil", utils.clean(nil))
    end)

    it("takes numbers within bounds only", function()
        assert.equal(5, utils.number(5, 1, 10))
        for _, value in ipairs { 0, 11, 0 / 0, math.huge, "5", {} } do
            assert.is_nil(utils.number(value, 1, 10))
        end
        assert.is_nil(utils.number(nil, 1, 10))
    end)

    it("splits URLs", function()
        assert.same(
            { tls = false, host = "198.18.0.1", port = 8080, authority = "198.18.0.1:8080", path = "" },
            utils.parse_url("http://198.18.0.1:8080/")
        )
        assert.same(
            { tls = true, host = "[fd00::1]", port = 443, authority = "[fd00::1]", path = "/base" },
            utils.parse_url("https://[fd00::1]/base")
        )
        assert.equal(80, utils.parse_url("http://a.test").port)
    end)

    it("refuses what is no URL of ours", function()
        local bad = { "", "ftp://a", "http://", "http://u:p@a", "http://a/?x", "http://:1", "http://a\n" }
        for _, url in ipairs(bad) do
            local parsed, err = utils.parse_url(url)
            assert.is_nil(parsed, url)
            assert.is_string(err)
        end
    end)

    it("announces a state once, until it changes or is forgotten", function()
        local announce, forget = utils.announcer("x: ")
        announce("a", "warn", "down")
        announce("a", "warn", "down")
        announce("b", "warn", "down")
        announce("a", "notice", "up")
        forget()
        announce("a", "notice", "up")
        assert.same({
            { level = "warn", text = "x: down" },
            { level = "warn", text = "x: down" },
            { level = "notice", text = "x: up" },
            { level = "notice", text = "x: up" },
        }, stubs.logged)
    end)
end)
