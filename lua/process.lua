-- The processes around this worker: the master that it can ask to reload, and commands that it has run beside it.

local ffi = require "ffi"
local files = require "files"

local ngx = ngx
local C = ffi.C
local execute = os.execute
local find = string.find
local ffi_string = ffi.string
local gsub = string.gsub
local match = string.match

ffi.cdef [[
int getppid(void);
int kill(int pid, int signal);
int fcntl(int fd, int command, ...);
char *strerror(int number);
]]

local HANGUP, REOPEN, NOTHING = 1, 10, 0
local NO_SUCH_PROCESS = 3
local SET_FD_FLAGS = 2
local CLOSE_ON_EXEC = ffi.new("int", 1)
local MOST_FDS = 1024
local TITLE_LIMIT = 65536
local TITLE = "^nginx: master process "

local _M = {}

-- Whether a process of this number lives.
function _M.alive(pid)
    return C.kill(pid, NOTHING) == 0 or ffi.errno() ~= NO_SUCH_PROCESS
end

-- What the master was started with, as the one line that it shows; nil when our parent is no nginx master.
local function master_line()
    local title = files.read("/proc/" .. C.getppid() .. "/cmdline", TITLE_LIMIT)
    title = title and match(title, "^[^%z]*")
    return title and find(title, TITLE) and title
end

-- Splits such a line into the file given with -c and the directives given with -g; nil for what was not given.
function _M.options(line)
    local conf = match(line, " %-c (%S+)")
    local globals = match(line, " %-g (.*)$")
    if globals then
        globals = gsub(gsub(globals, " %-[pce] .*$", ""), "%s+$", "")
    end
    return conf, globals
end

-- {binary, conf, globals?} of the nginx that we are part of, or nil and why.
function _M.nginx()
    local line = master_line()
    if not line then
        return nil, "this nginx has no master process"
    end
    local conf, globals = _M.options(line)
    conf = conf or match(ngx.config.nginx_configure(), "%-%-conf%-path=(%S+)") or "conf/nginx.conf"
    if not find(conf, "^/") then
        conf = ngx.config.prefix() .. conf
    end
    -- Our own program, also when a newer package has replaced its file.
    return { binary = "/proc/" .. ngx.worker.pid() .. "/exe", conf = conf, globals = globals }
end

local function signal_master(number)
    if not master_line() then
        return nil, "this nginx has no master process"
    end
    if C.kill(C.getppid(), number) ~= 0 then
        return nil, "the master cannot be signalled: " .. ffi_string(C.strerror(ffi.errno()))
    end
    return true
end

-- Asks the master to reload; nil and why when it cannot be asked.
function _M.reload()
    return signal_master(HANGUP)
end

-- Asks the master to open its logs anew, for all of its workers; nil and why when it cannot be asked.
function _M.reopen_logs()
    return signal_master(REOPEN)
end

local function quoted(word)
    return "'" .. gsub(word, "'", "'\\''") .. "'"
end

-- Words as one line of shell that means exactly these words.
function _M.command(words)
    local line = {}
    for i = 1, #words do
        line[i] = quoted(words[i])
    end
    return table.concat(line, " ")
end

-- What we start must not hold our sockets open.
local function keep_descriptors()
    for fd = 3, MOST_FDS - 1 do
        C.fcntl(fd, SET_FD_FLAGS, CLOSE_ON_EXEC)
    end
end

local function read_code(path)
    local text = files.read(path, 16)
    return text and tonumber(text)
end

-- Runs words as a command without holding up this worker, both outputs into `report` (a path), for `seconds` at
-- most. Returns the exit code, or nil when there was none in time.
function _M.run(words, report, seconds)
    local code_file = report .. ".code"
    files.remove(code_file)
    keep_descriptors()
    local line = "timeout " .. seconds .. " " .. _M.command(words)
    local aside = quoted(code_file .. ".new")
    execute("(" .. line .. "; echo $? >" .. aside .. "; mv " .. aside .. " " .. quoted(code_file) .. ") >"
        .. quoted(report) .. " 2>&1 </dev/null &")
    for _ = 1, (seconds + 1) * 100 do
        ngx.sleep(0.01)
        local code = read_code(code_file)
        if code then
            files.remove(code_file)
            return code
        end
    end
    return nil
end

return _M
