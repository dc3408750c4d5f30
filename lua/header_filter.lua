-- Gives the answer to a denied request its id, and the seconds after which another try may do better.

local requests = require "requests"

local ngx = ngx

local found = requests.get()
if found and found.denied then
    ngx.header["X-Request-Id"] = found.id
    ngx.header["Retry-After"] = found.retry
end
