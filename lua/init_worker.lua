-- One agent a machine: the first worker is it. A worker that replaces it takes over from the shared dict.

if ngx.worker.id() == 0 then
    require("agent").start()
    require("logs").start()
    require("redis_store").start()
end
