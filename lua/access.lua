-- Asked for every request: nothing, or 403. Never logs here: nginx would add the request line, token included.

local gate = require "gate"
local utils = require "utils"

local ngx = ngx

local ok, pass = pcall(gate.pass)
if ok and pass == true then
    return
end
if not ok then
    -- The agent tells it, without the request.
    ngx.shared.state:set("gate_error", utils.clean(pass))
end

ngx.status = ngx.HTTP_FORBIDDEN
ngx.header.content_type = "text/plain"
ngx.header.content_length = 7
ngx.header.cache_control = "no-store"
ngx.print("denied\n")
return ngx.exit(ngx.HTTP_FORBIDDEN)
