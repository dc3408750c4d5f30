-- Moves bytes between a client and v2ray, counts them while they flow, and ends when somebody says so. Three light
-- threads a tunnel: one each way, and one that looks after it every second.

local ngx = ngx
local kill = ngx.thread.kill
local max = math.max
local min = math.min
local now = ngx.now
local sleep = ngx.sleep
local spawn = ngx.thread.spawn
local wait = ngx.thread.wait

local CHUNK = 65536
local LOOK = 1      -- seconds between two looks
local IDLE = 330    -- seconds without a byte; v2ray itself gives up after 300
local LINGER = 1    -- seconds without a byte once the client has ended
local BURST = 256   -- chunks in a row before others have their turn: 16 MB, some 10 ms
local DAY = 86400000

local _M = {}

-- One way. Ends with "ended" when the sender has, and which way it was; with "broken" when anything failed.
local function pump(from, to, tunnel, way, who)
    local turn = 0
    while true do
        local rate = who.rate()
        local data, err = from:receiveany(rate and max(1024, min(CHUNK, rate / 4)) or CHUNK)
        if not data then
            return err == "closed" and "ended" or "broken", way
        end
        if rate then
            sleep(who.pace(#data, rate))
        end
        if not to:send(data) then
            return "broken"
        end
        tunnel[way] = tunnel[way] + #data
        tunnel.moved = true
        turn = turn + 1
        if turn == BURST then
            -- Both sockets always ready would keep the worker from everything else.
            sleep(0)
            turn = 0
        end
    end
end

-- Tells what flowed since the last time.
local function count(tunnel, who)
    local up, down = tunnel.up, tunnel.down
    if up + down > 0 then
        tunnel.up, tunnel.down = 0, 0
        who.count(up, down)
    end
end

-- Looks after a tunnel; returns why it has to end.
local function watch(tunnel, who)
    local quiet = now()
    while true do
        sleep(LOOK)
        count(tunnel, who)
        local goes_on, reason = who.still()
        if not goes_on then
            return reason or "denied"
        end
        if tunnel.moved then
            tunnel.moved, quiet = false, now()
        elseif now() - quiet >= (tunnel.half and LINGER or IDLE) then
            return "idle"
        end
    end
end

-- Runs until an end, then closes `server`; `client` ends with its request. `who` is
-- {count(up, down), still() -> true | nil, reason, rate() -> bytes a second | nil, pace(bytes, rate) -> seconds}.
-- Returns "ended", "broken", "idle" or the reason of `still`.
function _M.run(client, server, who)
    -- The watch knows better when a tunnel is idle: one way may rest for long while the other works.
    client:settimeouts(DAY, IDLE * 1000, DAY)
    server:settimeouts(DAY, IDLE * 1000, DAY)
    local tunnel = { up = 0, down = 0, moved = false, half = false }
    local up = spawn(pump, client, server, tunnel, "up", who)
    local down = spawn(pump, server, client, tunnel, "down", who)
    local watcher = spawn(watch, tunnel, who)
    local _, outcome, way = wait(up, down, watcher)
    if outcome == "ended" and way == "up" then
        -- The client has no more to say, but may still listen. v2ray ends both ways at once.
        tunnel.half, tunnel.moved = true, true
        _, outcome = wait(down, watcher)
    end
    for _, thread in ipairs { up, down, watcher } do
        kill(thread)
    end
    server:close()
    count(tunnel, who)
    return outcome
end

return _M
