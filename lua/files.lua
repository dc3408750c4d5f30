-- Reading small files, and writing one so that it is whole, ours alone, and on the disk.

local ffi = require "ffi"

local C = ffi.C
local open = io.open
local ffi_string = ffi.string

ffi.cdef [[
int open(const char *path, int flags, ...);
long write(int fd, const void *data, size_t length);
int fsync(int fd);
int close(int fd);
int rename(const char *from, const char *to);
int unlink(const char *path);
char *strerror(int number);
]]

-- Linux, all architectures that nginx is packaged for.
local WRITE_ONLY, CREATE, EXCLUSIVE = 1, 64, 128
local OWNER_ONLY = ffi.new("int", 384) -- 0600; a plain Lua number would be passed as a double

local _M = {}

local function reason()
    return ffi_string(C.strerror(ffi.errno()))
end

-- The text of a file of at most `limit` bytes.
function _M.read(path, limit)
    local file, err = open(path, "r")
    if not file then
        return nil, err
    end
    local text = file:read(limit + 1)
    file:close()
    if not text then
        return nil, path .. " is empty"
    end
    if #text > limit then
        return nil, path .. " is too long"
    end
    return text
end

local function store(path, text)
    local fd = C.open(path, WRITE_ONLY + CREATE + EXCLUSIVE, OWNER_ONLY)
    if fd < 0 then
        return nil, reason()
    end
    local err
    if C.write(fd, text, #text) ~= #text or C.fsync(fd) ~= 0 then
        err = reason()
    end
    if C.close(fd) ~= 0 then
        err = err or reason()
    end
    if err then
        return nil, err
    end
    return true
end

-- Writes a file with mode 0600: readers see the old one or the new one, whole.
function _M.write_private(path, text)
    local aside = path .. ".new"
    C.unlink(aside)
    local ok, err = store(aside, text)
    if ok and C.rename(aside, path) ~= 0 then
        ok, err = nil, reason()
    end
    if not ok then
        C.unlink(aside)
        return nil, "cannot write " .. path .. ": " .. err
    end
    return true
end

return _M
