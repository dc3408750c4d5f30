local metrics = require "metrics"

local STAT = "cpu  100 20 30 800 50 5 5 10 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"
local MEMORY = "MemTotal:        8000 kB\nMemFree:  100 kB\nMemAvailable:    6000 kB\n"
local NETWORK = [[
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls
    lo:  999999    10    0    0    0     0          0         0   999999    10    0    0    0     0       0          0
  eth0:    1000    10    0    0    0     0          0         0     2000    20    0    0    0     0       0          0
ens3:30 1 0 0 0 0 0 0 40 1 0 0 0 0 0 0
docker0:  500    10    0    0    0     0          0         0      500    10    0    0    0     0       0          0
vethab1:  500    10    0    0    0     0          0         0      500    10    0    0    0     0       0          0
]]

describe("metrics", function()
    it("tells busy from idle processors", function()
        assert.same({ 170, 1020 }, { metrics.cpu_ticks(STAT) })
        assert.same({ 0, 0 }, { metrics.cpu_ticks("") })
    end)

    it("tells the part of memory in use", function()
        assert.equal(0.25, metrics.memory_used(MEMORY))
        assert.equal(0, metrics.memory_used(""))
        assert.equal(0, metrics.memory_used("MemTotal: 0 kB\nMemAvailable: 0 kB"))
    end)

    it("counts real interfaces only", function()
        assert.same({ 1030, 2040 }, { metrics.network_bytes(NETWORK) })
        assert.same({ 0, 0 }, { metrics.network_bytes("") })
    end)

    it("samples this machine", function()
        local sample = metrics.sampler()
        local first = sample(1000)
        assert.equal(0, first.rxBps)
        local second = sample(1001)
        for _, share in ipairs { "cpu", "mem" } do
            assert.is_true(second[share] >= 0 and second[share] <= 1)
        end
        assert.is_true(second.mem > 0)
        -- There is no nginx here to ask.
        assert.equal(0, second.connections)
    end)
end)
