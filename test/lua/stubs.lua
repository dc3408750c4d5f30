-- Stands in for the parts of nginx that the modules touch. `require` it first in a spec.

local ffi = require "ffi"

-- nginx has libcrypto loaded; a bare interpreter has not.
ffi.load("libcrypto.so.3", true)

-- Everything of ours that keeps a hold on `ngx`.
local MODULES = {
    "access_answer", "access_list", "apply", "config", "control_plane", "gate", "http_client", "identity", "lock",
    "process", "reload", "reports", "spool", "updates", "utils", "watch",
}

local _M = { now = 1000, logged = {}, slept = 0, prefix = "/nonexistent/" }

-- A shared dict over a table; `room` bounds its entries.
function _M.dict(room)
    local entries, count, flushed = {}, 0, 0
    local dict = {}
    function dict.get(_, key)
        return entries[key]
    end
    function dict.set(self, key, value)
        if value == nil then
            self:delete(key)
            return true
        end
        if entries[key] == nil then
            count = count + 1
        end
        entries[key] = value
        return true
    end
    function dict.safe_set(self, key, value)
        if room and count >= room and entries[key] == nil then
            return nil, "no memory"
        end
        return self:set(key, value)
    end
    function dict.add(self, key, value)
        if entries[key] ~= nil then
            return false, "exists"
        end
        return self:set(key, value)
    end
    function dict.delete(_, key)
        if entries[key] ~= nil then
            count = count - 1
        end
        entries[key] = nil
    end
    function dict.incr(self, key, by, from)
        self:set(key, (entries[key] or from) + by)
        return entries[key]
    end
    function dict.expire()
        return true
    end
    function dict.flush_all()
        entries, flushed, count = {}, count, 0
    end
    function dict.flush_expired(_, limit)
        local freed = math.min(limit, flushed)
        flushed = flushed - freed
        return freed
    end
    function dict.size()
        return count
    end
    return dict
end

-- A fresh `ngx`, and modules that see it.
function _M.reset()
    _M.now, _M.logged, _M.slept, _M.exiting, _M.pid = 1000, {}, 0, false, 1
    _G.ngx = {
        shared = {
            state = _M.dict(),
            access_a = _M.dict(),
            access_b = _M.dict(),
            config_cache = _M.dict(),
        },
        now = function()
            return _M.now
        end,
        log = function(level, ...)
            table.insert(_M.logged, { level = level, text = table.concat({ ... }) })
        end,
        sleep = function()
            _M.slept = _M.slept + 1
            if _M.on_sleep then
                _M.on_sleep()
            end
        end,
        worker = {
            exiting = function()
                return _M.exiting
            end,
            pid = function()
                return _M.pid
            end,
        },
        req = {
            get_uri_args = function()
                return _M.arguments
            end,
        },
        config = {
            prefix = function()
                return _M.prefix
            end,
            nginx_configure = function()
                return ""
            end,
        },
        CRIT = "crit",
        INFO = "info",
        WARN = "warn",
        NOTICE = "notice",
        ERR = "error",
    }
    _M.on_sleep, _M.arguments = nil, {}
    for _, name in ipairs(MODULES) do
        package.loaded[name] = nil
    end
    -- Time passes only when a spec says so.
    require("utils").uptime = function()
        return _M.now
    end
end

-- A cosocket that answers with these bytes, whatever is sent; `step` bounds what one read returns at most.
function _M.socket(bytes, faults)
    local position, sent = 1, {}
    local sock = {}
    function sock.connect()
        return not (faults and faults.connect), faults and faults.connect
    end
    function sock.sslhandshake()
        if faults and faults.throws then
            error(faults.throws, 0)
        end
        return not (faults and faults.handshake), faults and faults.handshake
    end
    function sock.settimeouts() end
    function sock.close()
        sock.closed = true
    end
    function sock.send(_, text)
        table.insert(sent, text)
        return #text
    end
    function sock.receive(_, length)
        if position + length - 1 > #bytes then
            return nil, "closed"
        end
        position = position + length
        return bytes:sub(position - length, position - 1)
    end
    function sock.receiveuntil(_, stop)
        local done = false
        return function(limit)
            if done then
                done = false
                return nil
            end
            local first, last = bytes:find(stop, position, true)
            if first and first - position <= limit then
                done = true
                local text = bytes:sub(position, first - 1)
                position = last + 1
                return text
            end
            if not first and #bytes - position + 1 < limit then
                return nil, "closed"
            end
            position = position + limit
            return bytes:sub(position - limit, position - 1)
        end
    end
    function sock.sent()
        return table.concat(sent)
    end
    return sock
end

return _M
