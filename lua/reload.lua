-- Having nginx read its files anew, and finding out whether it could.

local process = require "process"
local utils = require "utils"

local ngx = ngx
local concat = table.concat
local find = string.find
local gmatch = string.gmatch
local gsub = string.gsub
local open = io.open

local SECONDS = 15 -- nginx itself tries for 2.5 s to bind a port that is taken
local REPORT_LIMIT, ERROR_LIMIT = 65536, 1000

local _M = {}

-- The lines of a text that say what broke, or all of it.
function _M.fault_in(text)
    local lines = {}
    for line in gmatch(text, "[^\n]+") do
        if find(line, "[emerg]", 1, true) then
            lines[#lines + 1] = gsub(line, "^.*%[emerg%]%s*[%d#]*:?%s*", "[emerg] ")
        end
    end
    local fault = #lines > 0 and concat(lines, "; ") or text
    return utils.clean(fault == "" and "nginx gave no reason" or fault, ERROR_LIMIT)
end

-- Whether nginx has given up: only a port that is taken does it try again.
local function has_given_up(text)
    for line in gmatch(text, "[^\n]*%[emerg%][^\n]*") do
        if not find(line, "bind() to", 1, true) then
            return true
        end
    end
    return false
end

-- What nginx logged since `from`, a length of its log.
local function new_log(path, from)
    local file = open(path, "r")
    if not file then
        return ""
    end
    file:seek("set", from)
    local text = file:read(REPORT_LIMIT) or ""
    file:close()
    return text
end

local function length_of(path)
    local file = open(path, "r")
    local length = file and file:seek("end") or 0
    if file then
        file:close()
    end
    return length
end

-- Has nginx read its files anew; nil and its own words when it cannot. It has worked when this worker is told to go:
-- nginx does that last.
function _M.now()
    local log = ngx.config.prefix() .. "logs/error.log"
    local from = length_of(log)
    local ok, err = process.reload()
    if not ok then
        return nil, err
    end
    for _ = 1, SECONDS * 10 do
        if ngx.worker.exiting() then
            return true
        end
        if has_given_up(new_log(log, from)) then
            break
        end
        ngx.sleep(0.1)
    end
    return nil, _M.fault_in(new_log(log, from))
end

return _M
