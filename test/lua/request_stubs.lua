-- Adds to `stubs` what the gate touches of a request: variables, headers, regular expressions (of the library that
-- nginx uses), and shared dicts whose entries end and which have queues.

local ffi = require "ffi"
local stubs = require "stubs"

ffi.cdef [[
typedef struct pcre_stub pcre_stub;
pcre_stub *pcre_compile(const char *, int, const char **, int *, const unsigned char *);
int pcre_exec(const pcre_stub *, const void *, const char *, int, int, int, int *, int);
]]
local pcre = ffi.load("libpcre.so.3")

-- Everything of ours that keeps a hold on `ngx` and is not in `stubs`.
local MODULES = {
    "access_record", "addresses", "clients", "clock", "denial", "enforcement", "gate", "matcher", "memo", "places",
    "rate_limiter", "rules", "session_checker", "session_record", "telemetry", "usage",
}

local _M = { timers = {}, headers = {} }

local function groups(text, pattern)
    local err, at = ffi.new("const char *[1]"), ffi.new("int[1]")
    local compiled = pcre.pcre_compile(pattern, 0, err, at, nil)
    if compiled == nil then
        return nil, ffi.string(err[0])
    end
    local found = ffi.new("int[30]")
    local count = pcre.pcre_exec(compiled, nil, text, #text, 0, 0, found, 30)
    if count < 1 then
        return nil
    end
    local texts = {}
    for i = 0, count - 1 do
        texts[i] = found[2 * i] >= 0 and text:sub(found[2 * i] + 1, found[2 * i + 1]) or false
    end
    return texts, nil, found[0] + 1, found[1]
end

-- A shared dict as the gate uses it.
function _M.dict(room)
    local dict, ends, queues = stubs.dict(room), {}, {}
    local get, set, add, incr = dict.get, dict.set, dict.add, dict.incr
    function dict.get(self, key)
        if ends[key] and stubs.now >= ends[key] then
            set(self, key, nil)
            ends[key] = nil
        end
        return get(self, key)
    end
    function dict.set(self, key, value, seconds)
        ends[key] = seconds and stubs.now + seconds
        return set(self, key, value)
    end
    function dict.safe_set(self, key, value, seconds)
        return self:set(key, value, seconds)
    end
    function dict.add(self, key, value, seconds)
        self:get(key)
        local ok, err = add(self, key, value)
        if ok then
            ends[key] = seconds and stubs.now + seconds
        end
        return ok, err
    end
    function dict.safe_add(self, key, value, seconds)
        return self:add(key, value, seconds)
    end
    function dict.incr(self, key, by, from, seconds)
        local isNew = self:get(key) == nil
        if isNew and not from then
            return nil, "not found"
        end
        local value = incr(self, key, by, from)
        if isNew then
            ends[key] = seconds and stubs.now + seconds
        end
        return value
    end
    function dict.rpush(_, key, value)
        if room and queues[key] and #queues[key] >= room then
            return nil, "no memory"
        end
        queues[key] = queues[key] or {}
        table.insert(queues[key], value)
        return #queues[key]
    end
    function dict.lpush(_, key, value)
        queues[key] = queues[key] or {}
        table.insert(queues[key], 1, value)
        return #queues[key]
    end
    function dict.lpop(_, key)
        return queues[key] and table.remove(queues[key], 1)
    end
    function dict.llen(_, key)
        return queues[key] and #queues[key] or 0
    end
    local names = {}
    local inner = set
    set = function(self, key, value)
        names[key] = value ~= nil or nil
        return inner(self, key, value)
    end
    function dict.get_keys(self)
        local keys = {}
        for key in pairs(names) do
            if self:get(key) ~= nil then
                table.insert(keys, key)
            end
        end
        return keys
    end
    local delete = dict.delete
    function dict.delete(self, key)
        names[key] = nil
        return delete(self, key)
    end
    return dict
end

-- Runs what waits for its time.
function _M.run_timers(premature)
    local due = _M.timers
    _M.timers = {}
    for _, run in ipairs(due) do
        run(premature or false)
    end
end

-- A request: {path, query = {name = value}, headers, agent, address (4 or 16 bytes)}.
function _M.request(given)
    _M.headers = given.headers or {}
    stubs.arguments = given.query or {}
    local words = {}
    for name, value in pairs(stubs.arguments) do
        table.insert(words, name .. "=" .. tostring(type(value) == "table" and table.concat(value, "+") or value))
    end
    table.sort(words)
    ngx.var = {
        uri = given.path or "/",
        args = #words > 0 and table.concat(words, "&") or nil,
        binary_remote_addr = given.address or "\127\0\0\1",
        remote_addr = "127.0.0.1",
        http_user_agent = given.agent,
    }
    ngx.ctx = {}
end

-- A fresh `ngx` with all of that, and modules that see it.
function _M.reset()
    stubs.reset()
    _M.timers = {}
    for _, name in ipairs { "config_cache", "rate_limit", "session_store", "usage", "telemetry_buffer" } do
        ngx.shared[name] = _M.dict()
    end
    ngx.req.get_headers = function()
        return _M.headers
    end
    ngx.re = {
        find = function(text, pattern)
            local _, err, from, to = groups(text, pattern)
            return from, to, err
        end,
        match = groups,
    }
    ngx.timer = {
        at = function(_, run)
            table.insert(_M.timers, run)
            return true
        end,
        every = function(_, run)
            _M.beat = run
            return true
        end,
    }
    for _, name in ipairs(MODULES) do
        package.loaded[name] = nil
    end
    _M.request {}
end

return _M
