-- Keeps nginx's logs from filling the disk: one that has grown long is set aside, in the place of the one set aside
-- before. Nothing is reloaded and no worker ends.

local files = require "files"
local process = require "process"
local utils = require "utils"

local ngx = ngx
local ipairs = ipairs
local open = io.open

local LOOK = 10                -- seconds between two looks
local LIMIT = 32 * 1024 * 1024 -- bytes
local NAMES = { "access.log", "error.log" }

local complain = utils.announcer("lazarus agent: ")

local _M = {}

local function length_of(path)
    local file = open(path, "r")
    if not file then
        return 0
    end
    local length = file:seek("end")
    file:close()
    return length or 0
end

-- Sets aside what is longer than `limit` in `folder`, and has nginx begin anew. Returns how many, or nil and why.
function _M.rotate(folder, limit)
    local count = 0
    for _, name in ipairs(NAMES) do
        local path = folder .. name
        if length_of(path) > limit then
            local ok, err = files.move(path, path .. ".1")
            if not ok then
                return nil, err
            end
            count = count + 1
        end
    end
    if count > 0 then
        local ok, err = process.reopen_logs()
        if not ok then
            return nil, err
        end
    end
    return count
end

local function look(premature)
    if premature then
        return
    end
    local count, err = _M.rotate(ngx.config.prefix() .. "logs/", LIMIT)
    if not count then
        complain("logs", ngx.WARN, "the logs grow on: " .. utils.clean(err))
    end
end

-- Looks every ten seconds, in this worker.
function _M.start()
    local ok, err = ngx.timer.every(LOOK, look)
    if not ok then
        ngx.log(ngx.EMERG, "lazarus agent: nobody looks after the logs, no timer: ", err)
    end
end

return _M
