local requests = require "request_stubs"

describe("clients", function()
    local clients, detect

    before_each(function()
        requests.reset()
        clients = require "clients"
        detect = clients.detector(clients.COMMON, { "query:token" })
    end)

    it("S1-11: tells the common clients and their versions", function()
        local firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
        local edge = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36 Edg/120.1"
        for agent, expected in pairs {
            ["Emby/4.7.10 CFNetwork/1410"] = { "emby", "4.7.10" },
            ["Emby Theater/3.0.20"] = { "emby", "3.0.20" },
            ["Infuse-Direct/7.8.1"] = { "emby", "7.8.1" },
            ["Jellyfin-Android/2.6.2"] = { "jellyfin", "2.6.2" },
            ["Mozilla/5.0 (X11) JellyfinMediaPlayer 1.9.1 Chrome/100 Safari/5"] = { "jellyfin", "1.9.1" },
            ["v2rayN/6.23"] = { "v2ray", "6.23" },
            ["clash-verge/v1.3.8"] = { "v2ray", "1.3.8" },
            ["Shadowrocket/1993 CFNetwork"] = { "v2ray", "1993" },
            ["SFA/1.8 (sing-box 1.8.0)"] = { "v2ray" },
            [firefox] = { "browser", "128.0" },
            [edge] = { "browser", "120.0.0.0" },
            ["curl/8.0"] = {},
            [""] = {},
        } do
            local who = detect(agent)
            assert.equal(expected[1], who.name, agent)
            assert.equal(expected[2], who.version, agent)
        end
    end)

    local function reading(headers, query)
        requests.request { headers = headers, query = query }
        local who = detect("Emby/4.7")
        return who.token(ngx.var.args), who.device(ngx.var.args)
    end

    it("reads tokens and devices where Emby's clients put them", function()
        local line = 'MediaBrowser Client="Emby", Device="TV", DeviceId="tv-1", Version="4.7", Token="t1"'
        assert.same({ "t1", "tv-1" }, { reading { ["x-emby-authorization"] = line } })
        assert.same({ "t1", "tv-1" }, { reading { authorization = line } })
        assert.same({ "t2" }, { reading { authorization = "Bearer t2" } })
        assert.same({ "t3", "d3" }, { reading({}, { api_key = "t3", ["X-Emby-Device-Id"] = "d3" }) })
        assert.same({ "common" }, { reading({ ["x-emby-token"] = "t4" }, { token = "common" }) })
    end)

    it("S0-2: takes nothing that stands there twice", function()
        assert.is_false((reading { ["x-emby-token"] = { "t1", "t1" } }))
        assert.is_false((reading({}, { api_key = { "t1", "t2" } })))
        assert.is_false((reading({ ["x-emby-token"] = "t1" }, { token = { "t1", "t2" } })))
        assert.is_false((reading({ ["x-emby-token"] = "t1" }, { token = true })))
    end)

    it("compares versions part by part as numbers", function()
        for _, case in ipairs {
            { "4.7.0", "4.7.0", true }, { "4.10", "4.9.9", true }, { "4.7", "4.7.0", true }, { "5", "4.9", true },
            { "4.6.99", "4.7", false }, { "4", "4.0.1", false }, { "4.7.0-beta", "4.7", true }, { "v4", "1", false },
            { "", "1", false }, { nil, "1", false }, { ("9"):rep(16), "1", false }, { "1..2", "1.2", true },
        } do
            assert.equal(case[3], clients.at_least(case[1], case[2]), tostring(case[1]) .. " " .. case[2])
        end
    end)

    it("says which description cannot be used", function()
        for _, wrong in ipairs {
            { name = "a", userAgent = "(" },
            { name = "a", userAgent = "a", version = "(" },
            { name = "a", userAgent = "a", tokens = { "body:x" } },
            { name = "a", userAgent = "a", device = "nowhere" },
        } do
            local made, err = clients.detector({ wrong }, { "query:token" })
            assert.is_nil(made)
            assert.is_string(err)
        end
    end)
end)
