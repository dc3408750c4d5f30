local stubs = require "stubs"

describe("what nodes share", function()
    local counted, estimates, batches, quotas

    before_each(function()
        stubs.reset()
        counted, estimates, batches, quotas = {}, {}, {}, nil
        ngx.time = function()
            return 1795244400 -- 2026-11-21
        end
        package.loaded.rate_limiter = {
            counted = function(user, period)
                local both = counted[user .. " " .. period] or { 0, 0 }
                return both[1], both[2]
            end,
            put_estimate = function(user, period, requests, bytes)
                estimates[user .. " " .. period] = { requests, bytes }
            end,
        }
        package.loaded.usage = {
            take_shared = function()
                return table.remove(batches, 1)
            end,
        }
        package.loaded.rules = {
            current = function()
                return { quotas = quotas }
            end,
        }
        package.loaded.redis_quotas = nil
    end)

    after_each(function()
        for _, name in ipairs { "rate_limiter", "usage", "rules", "redis_quotas" } do
            package.loaded[name] = nil
        end
    end)

    -- A Redis of hashes alone.
    local function server()
        local hashes, client = {}, { pipelines = 0 }
        client.hashes = hashes
        function client.pipeline(_, commands)
            client.pipelines = client.pipelines + 1
            if client.away then
                return nil, "away"
            end
            local replies = {}
            for i, command in ipairs(commands) do
                local hash = hashes[command[2]] or {}
                hashes[command[2]] = hash
                if command[1] == "HSET" then
                    hash[command[3]] = command[4]
                elseif command[1] == "HGETALL" then
                    replies[i] = {}
                    for field, value in pairs(hash) do
                        table.insert(replies[i], field)
                        table.insert(replies[i], value)
                    end
                end
                replies[i] = replies[i] or 1
            end
            return replies
        end
        return client
    end

    it("tells our totals and takes those of the others, without ours", function()
        local client, sync = server(), require "redis_quotas"
        client.hashes["lazarus:quota:2026-11-21:u"] = { ["edge-2/1-1"] = "3 1000", ["edge-2/0-0"] = "1 5" }
        counted["u 2026-11-21"], counted["u 2026-11"] = { 2, 70 }, { 9, 9000 }
        batches = { { users = { u = { 1, 1, 1 } } } }
        assert.is_true(sync.exchange(client, 0, "edge-1"))
        assert.same({ 4, 1005 }, estimates["u 2026-11-21"])
        assert.same({ 0, 0 }, estimates["u 2026-11"])
        local field = ngx.shared.state:get("redis_life")
        assert.matches("^edge%-1/", field)
        assert.equal("2 70", client.hashes["lazarus:quota:2026-11-21:u"][field])
        assert.equal("9 9000", client.hashes["lazarus:quota:2026-11:u"][field])
    end)

    it("looks at a user again when it matters, not before", function()
        local client, sync = server(), require "redis_quotas"
        quotas = { bytesPerDay = 1000 }
        batches = { { users = { u = { 1, 1, 1 } } } }
        sync.exchange(client, 0, "edge-1")
        counted["u 2026-11-21"] = { 0, 99 }
        sync.exchange(client, 0, "edge-1")
        assert.equal(1, client.pipelines)
        counted["u 2026-11-21"] = { 0, 100 }
        sync.exchange(client, 0, "edge-1")
        assert.equal(2, client.pipelines)
        sync.exchange(client, 0, "edge-1")
        assert.equal(2, client.pipelines)
        counted["u 2026-11-21"] = { 0, 500 }
        sync.exchange(client, 0, "edge-1")
        sync.exchange(client, 0, "edge-1")
        assert.equal(4, client.pipelines)
    end)

    it("tells later what could not be told", function()
        local client, sync = server(), require "redis_quotas"
        batches = { { users = { u = { 1, 1, 1 } } } }
        counted["u 2026-11-21"] = { 0, 100 }
        client.away = true
        assert.same({ nil, "away" }, { sync.exchange(client, 0, "edge-1") })
        client.away = false
        assert.is_true(sync.exchange(client, 0, "edge-1"))
        local field = ngx.shared.state:get("redis_life")
        assert.equal("0 100", client.hashes["lazarus:quota:2026-11-21:u"][field])
    end)

    it("takes nonsense in a total for nothing", function()
        local client, sync = server(), require "redis_quotas"
        client.hashes["lazarus:quota:2026-11-21:u"] = { a = "x", b = "-1 5", c = "1 1 1", d = "2 2" }
        batches = { { users = { u = { 1, 1, 1 } } } }
        assert.is_true(sync.exchange(client, 0, "edge-1"))
        assert.same({ 2, 2 }, estimates["u 2026-11-21"])
    end)
end)
