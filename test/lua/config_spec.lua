local stubs = require "stubs"

local function document(over)
    local built = { version = "v1", service = { name = "default", rules = { skip = { "a" } } } }
    for name, value in pairs(over or {}) do
        built[name] = value
    end
    return built
end

describe("config", function()
    local config, apply, cache

    before_each(function()
        stubs.reset()
        apply = require "apply"
        config = require "config"
        cache = ngx.shared.config_cache
    end)

    it("puts the rules in force, then their version", function()
        assert.is_nil(config.version())
        assert.is_true(config.apply(document()))
        assert.equal("v1", config.version())
        assert.equal('{"skip":["a"]}', cache:get("rules"))
        assert.equal("v1", cache:get("rules_version"))
    end)

    it("leaves rules that did not change alone", function()
        config.apply(document())
        assert.is_true(config.apply(document { version = "v2" }))
        assert.equal("v2", config.version())
        assert.equal("v1", cache:get("rules_version"))
        assert.is_true(config.apply(document { version = "v3", service = { name = "x", rules = {} } }))
        assert.equal("v3", cache:get("rules_version"))
    end)

    it("S1-7: a server.conf that fails its test leaves the rules as they were", function()
        config.apply(document())
        apply.stage = function()
            return nil, "[emerg] no"
        end
        local ok, err = config.apply(document { version = "v2", service = { rules = {} }, serverConf = "x" })
        assert.is_nil(ok)
        assert.equal("[emerg] no", err)
        assert.equal("v1", config.version())
        assert.equal('{"skip":["a"]}', cache:get("rules"))
    end)

    it("S1-7: a reload that fails takes the rules back", function()
        config.apply(document())
        local seen
        apply.stage = function()
            return {}
        end
        apply.activate = function()
            seen = config.version() .. " " .. cache:get("rules")
            return nil, "bind() failed"
        end
        local ok, err = config.apply(document { version = "v2", service = { rules = { 1 } }, serverConf = "x" })
        assert.is_nil(ok)
        assert.equal("bind() failed", err)
        assert.equal("v2 [1]", seen)
        assert.equal("v1", config.version())
        assert.equal('{"skip":["a"]}', cache:get("rules"))
        assert.equal("v1", cache:get("rules_version"))
    end)

    it("refuses rules that do not fit", function()
        config.apply(document())
        function cache.safe_set()
            return nil, "no memory"
        end
        local ok, err = config.apply(document { version = "v2", service = { name = "x", rules = { 1 } } })
        assert.is_nil(ok)
        assert.equal("the rules do not fit: no memory", err)
        assert.equal("v1", config.version())
    end)

    it("one worker at a time", function()
        apply.stage = function()
            local ok, err, bad_moment = config.apply(document { version = "v3" })
            assert.same({ false, "another worker is applying a configuration", true }, { ok or false, err, bad_moment })
            return { idle = true }
        end
        assert.is_true(config.apply(document()))
        assert.equal("v1", config.version())
    end)

    it("checks the shape of a document", function()
        assert.is_true(config.check(document()))
        assert.is_true(config.check(document { serverConf = "server {}" }))
        assert.is_true(config.check(document { serverConf = require("cjson").null }))
        local documents = {
            "text",
            {},
            document { version = 1 },
            document { version = "" },
            document { version = "a b" },
            document { version = "v\n" },
            document { version = ("v"):rep(65) },
            document { service = "x" },
            document { service = {} },
            document { service = { rules = "x" } },
            document { serverConf = 7 },
        }
        for _, each in ipairs(documents) do
            local ok, err = config.check(each)
            assert.is_nil(ok)
            assert.is_string(err)
        end
    end)
end)
