-- One agent a machine: the first worker is it. A worker that replaces it takes over from the shared dict.

if ngx.worker.id() == 0 then
    local media_agent = require "media_agent"
    if media_agent.wanted() then
        media_agent.start()
    else
        require("agent").start()
    end
    require("logs").start()
    require("redis_store").start()
end
