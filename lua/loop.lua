-- The loop of an agent in one worker: a step, then the next one. While the gate is closed the next comes sooner, a
-- little later each time, and not on all machines at once. What breaks a step does not break the loop.

local utils = require "utils"
local watch = require "watch"

local ngx = ngx
local max = math.max
local min = math.min
local pcall = pcall
local random = math.random

local SOON = 0.25 -- seconds: first wait while the gate is closed
local PREFIX = "lazarus agent: "

local soon = SOON

local _M = {}

local function next_delay(interval, started)
    if watch.is_open() then
        soon = SOON
        return min(interval, max(interval / 10, interval - (utils.uptime() - started)))
    end
    local delay = min(interval, soon)
    soon = min(interval, soon * 1.5)
    return delay * (0.9 + 0.2 * random())
end

-- Starts it. `interval` tells the seconds between two steps, asked after each; `complain` is of `utils.announcer`.
function _M.start(interval, step, complain)
    local tick
    tick = function(premature)
        if premature then
            return
        end
        local started = utils.uptime()
        watch.tell_fault()
        local ok, err = pcall(step)
        if not ok then
            complain("fault", ngx.ERR, "a step broke: " .. utils.clean(err))
        end
        ok, err = ngx.timer.at(next_delay(interval(), started), tick)
        if not ok and not ngx.worker.exiting() then
            ngx.log(ngx.EMERG, PREFIX, "stopped, no timer: ", err)
        end
    end
    math.randomseed(ngx.now() * 1000 + ngx.worker.pid())
    local ok, err = ngx.timer.at(0.2 * random(), tick)
    if not ok then
        ngx.log(ngx.EMERG, PREFIX, "not started: ", err)
    end
end

return _M
