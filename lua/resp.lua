-- A small client of the Redis protocol (RESP2) over a cosocket: pipelines, bounded answers, bounded time. Only for
-- timers: a request never waits for Redis.

local ngx = ngx
local concat = table.concat
local find = string.find
local format = string.format
local match = string.match
local pcall = pcall
local sub = string.sub
local tonumber = tonumber
local tostring = tostring

local TIMEOUT = 2000       -- milliseconds for each connect, write and read
local SECONDS = 10         -- for all answers of one pipeline
local LINE_LIMIT = 512
local BULK_LIMIT = 262144  -- bytes of one text
local ARRAY_LIMIT = 20000  -- elements of one list
local TOTAL_LIMIT = 100000 -- elements of one pipeline's answers, lists within lists included
local DEPTH_LIMIT = 3

local _M = {}
local methods = {}
local class = { __index = methods }

-- Ends the reading of a whole pipeline; the connection cannot be used after it.
local function refuse(reason)
    error({ reason = reason }, 0)
end

local function read_line(self)
    local line, err = self.line(LINE_LIMIT)
    if not line then
        refuse(err or "an empty line")
    end
    if self.line(1) then
        refuse("a line is too long")
    end
    return line
end

local function read_bulk(self, length)
    if length == -1 then
        return ngx.null
    end
    if length < 0 or length > BULK_LIMIT then
        refuse("a text is too long")
    end
    local text, err = self.sock:receive(length + 2)
    if not text then
        refuse(err)
    end
    if sub(text, -2) ~= "\r\n" then
        refuse("a text does not end")
    end
    return sub(text, 1, length)
end

local read_reply

local function read_list(self, length, depth)
    if length == -1 then
        return ngx.null
    end
    if length < 0 or length > ARRAY_LIMIT or depth > DEPTH_LIMIT then
        refuse("a list is too long or too deep")
    end
    local list = {}
    for i = 1, length do
        list[i] = read_reply(self, depth)
    end
    return list
end

function read_reply(self, depth)
    self.left = self.left - 1
    if self.left < 0 or ngx.now() > self.deadline then
        refuse("the answers are too many or too slow")
    end
    local line = read_line(self)
    local kind, rest = sub(line, 1, 1), sub(line, 2)
    if kind == "+" then
        return rest
    elseif kind == "-" then
        return { err = rest }
    end
    local number = find(kind, "[:$*]") and tonumber(match(rest, "^%-?%d+$") or "")
    if not number then
        refuse("the answer is not Redis's")
    end
    if kind == ":" then
        return number
    end
    return kind == "$" and read_bulk(self, number) or kind == "*" and read_list(self, number, depth + 1)
end

local function command_text(command)
    local parts = { format("*%d\r\n", #command) }
    for i = 1, #command do
        local word = tostring(command[i])
        parts[i + 1] = format("$%d\r\n%s\r\n", #word, word)
    end
    return concat(parts)
end

-- Sends commands (lists of words) at once and returns as many replies: text, number, list, ngx.null, or {err = text}.
-- Nil and why when they did not all come; then nothing is known of what was done, and the connection is closed.
function methods.pipeline(self, commands)
    local texts = {}
    for i = 1, #commands do
        texts[i] = command_text(commands[i])
    end
    local sent, err = self.sock:send(concat(texts))
    if not sent then
        self:close()
        return nil, err
    end
    self.left, self.deadline = TOTAL_LIMIT, ngx.now() + SECONDS
    local replies = {}
    local ok, fault = pcall(function()
        for i = 1, #commands do
            replies[i] = read_reply(self, 0)
        end
    end)
    if ok then
        return replies
    end
    self:close()
    return nil, type(fault) == "table" and fault.reason or tostring(fault)
end

-- One command; an error of Redis is nil and its text.
function methods.call(self, ...)
    local replies, err = self:pipeline { { ... } }
    if not replies then
        return nil, err
    end
    local reply = replies[1]
    if type(reply) == "table" and reply.err then
        return nil, reply.err
    end
    return reply
end

function methods.close(self)
    self.sock:close()
end

-- A connection, or nil and why.
function _M.connect(host, port)
    local sock = ngx.socket.tcp()
    sock:settimeouts(TIMEOUT, TIMEOUT, TIMEOUT)
    local ok, err = sock:connect(host, port)
    if not ok then
        return nil, err
    end
    return setmetatable({ sock = sock, line = sock:receiveuntil("\r\n") }, class)
end

return _M
