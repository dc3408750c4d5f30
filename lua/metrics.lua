-- What a beat says about the machine. The kernel's texts come in, numbers go out; `sampler` does the reading.

local ffi = require "ffi"
local files = require "files"

local find = string.find
local gmatch = string.gmatch
local match = string.match
local max = math.max
local min = math.min
local pcall = pcall
local tonumber = tonumber

ffi.cdef [[
extern volatile unsigned long *ngx_stat_active;
]]

local LIMIT = 1024 * 1024
-- Traffic through these is counted on the real interface already.
local VIRTUAL = { "^lo$", "^docker", "^br%-", "^veth" }

local _M = {}

-- Busy and total time of all processors, in ticks, from /proc/stat.
function _M.cpu_ticks(text)
    local user, nice, system, idle, iowait, irq, softirq, steal =
        match(text, "^cpu%s+(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)")
    if not user then
        return 0, 0
    end
    local busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait
end

-- The part of memory that is not available, 0 to 1, from /proc/meminfo.
function _M.memory_used(text)
    local total = tonumber(match(text, "MemTotal:%s+(%d+)"))
    local available = tonumber(match(text, "MemAvailable:%s+(%d+)"))
    if not total or not available or total == 0 then
        return 0
    end
    return max(0, 1 - available / total)
end

local function is_virtual(name)
    for i = 1, #VIRTUAL do
        if find(name, VIRTUAL[i]) then
            return true
        end
    end
    return false
end

-- Bytes received and sent on the real interfaces, from /proc/net/dev.
function _M.network_bytes(text)
    local received, sent = 0, 0
    for name, numbers in gmatch(text, "%s*([^%s:]+):([%d ]+)") do
        local rx, tx = match(numbers, "^%s*(%d+)%s+%d+%s+%d+%s+%d+%s+%d+%s+%d+%s+%d+%s+%d+%s+(%d+)")
        if rx and not is_virtual(name) then
            received, sent = received + rx, sent + tx
        end
    end
    return received, sent
end

-- Client connections that nginx holds. Port 80 keeps none alive, so these are those of port 443.
local function connections()
    local ok, count = pcall(function()
        return tonumber(ffi.C.ngx_stat_active[0])
    end)
    return ok and count or 0
end

local function read(path)
    return files.read(path, LIMIT) or ""
end

local function rate(now_count, last_count, seconds)
    return max(0, now_count - last_count) / seconds
end

-- A function that measures since its last call: cpu and mem 0 to 1, traffic in bytes a second.
function _M.sampler()
    local last
    return function(now)
        local busy, total = _M.cpu_ticks(read("/proc/stat"))
        local rx, tx = _M.network_bytes(read("/proc/net/dev"))
        local from = last or { busy = busy, total = total, rx = rx, tx = tx, at = now }
        last = { busy = busy, total = total, rx = rx, tx = tx, at = now }
        local seconds = max(now - from.at, 0.001)
        return {
            cpu = min(1, rate(busy, from.busy, max(total - from.total, 1))),
            mem = _M.memory_used(read("/proc/meminfo")),
            rxBps = rate(rx, from.rx, seconds),
            txBps = rate(tx, from.tx, seconds),
            connections = connections(),
        }
    end
end

return _M
