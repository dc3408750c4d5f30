-- Reading small files, and writing one so that it is whole and on the disk.

local ffi = require "ffi"

local C = ffi.C
local open = io.open
local pcall = pcall
local ffi_string = ffi.string

ffi.cdef [[
int open(const char *path, int flags, ...);
long write(int fd, const void *data, size_t length);
int fsync(int fd);
int close(int fd);
int rename(const char *from, const char *to);
int unlink(const char *path);
int mkdir(const char *path, unsigned int mode);
int flock(int fd, int operation);
int usleep(unsigned int microseconds);
void *opendir(const char *path);
void *readdir(void *folder);
int closedir(void *folder);
char *strerror(int number);
]]

-- Linux, all architectures that nginx is packaged for.
local READ_ONLY, WRITE_ONLY, CREATE, EXCLUSIVE, CLOSE_ON_EXEC = 0, 1, 64, 128, 524288
local LOCK_NOW, NO_ENTRY, EXISTS = 2 + 4, 2, 17
local NAME_OFFSET = 19 -- in a directory entry of 64-bit Linux: inode 8, offset 8, length 2, type 1
local OWNER_ONLY, OWNER_FOLDER, PUBLIC = 384, 448, 420 -- 0600, 0700, 0644

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

local function store(path, text, mode)
    -- A plain Lua number would be passed as a double.
    local fd = C.open(path, WRITE_ONLY + CREATE + EXCLUSIVE + CLOSE_ON_EXEC, ffi.new("int", mode))
    if fd < 0 then
        return nil, reason()
    end
    local err
    if C.write(fd, text, #text) ~= #text then
        err = ffi.errno() ~= 0 and reason() or "no space"
    elseif C.fsync(fd) ~= 0 then
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

local function write(path, text, mode)
    local aside = path .. ".new"
    C.unlink(aside)
    ffi.errno(0)
    local ok, err = store(aside, text, mode)
    if ok and C.rename(aside, path) ~= 0 then
        ok, err = nil, reason()
    end
    if not ok then
        C.unlink(aside)
        return nil, "cannot write " .. path .. ": " .. err
    end
    return true
end

-- Writes a file with mode 0600: readers see the old one or the new one, whole.
function _M.write_private(path, text)
    return write(path, text, OWNER_ONLY)
end

-- The same with mode 0644.
function _M.write_public(path, text)
    return write(path, text, PUBLIC)
end

-- Holds up this whole worker for so many seconds: only for one that has nothing else to do.
function _M.pause(seconds)
    C.usleep(seconds * 1e6)
end

-- Puts one file in the place of another.
function _M.move(from, to)
    if C.rename(from, to) ~= 0 then
        return nil, "cannot move " .. from .. ": " .. reason()
    end
    return true
end

-- Removes a file; none is fine.
function _M.remove(path)
    if C.unlink(path) ~= 0 and ffi.errno() ~= NO_ENTRY then
        return nil, "cannot remove " .. path .. ": " .. reason()
    end
    return true
end

-- Makes a folder with mode 0700; an existing one is fine.
function _M.make_folder(path)
    if C.mkdir(path, OWNER_FOLDER) ~= 0 and ffi.errno() ~= EXISTS then
        return nil, "cannot make " .. path .. ": " .. reason()
    end
    return true
end

-- The names in a folder, in no order.
function _M.names(path)
    local folder = C.opendir(path)
    if folder == nil then
        return nil, "cannot list " .. path .. ": " .. reason()
    end
    local names = {}
    local entry = C.readdir(folder)
    while entry ~= nil do
        names[#names + 1] = ffi_string(ffi.cast("const char *", entry) + NAME_OFFSET)
        entry = C.readdir(folder)
    end
    C.closedir(folder)
    return names
end

-- Calls `run` while no other process does the same on this folder, and has the folder's own changes on the disk
-- before it returns what `run` did. Never waits: nil and why when another process is at it.
function _M.alone(path, run)
    local fd = C.open(path, READ_ONLY + CLOSE_ON_EXEC)
    if fd < 0 then
        return nil, "cannot open " .. path .. ": " .. reason()
    end
    if C.flock(fd, LOCK_NOW) ~= 0 then
        C.close(fd)
        return nil, "another worker is at " .. path
    end
    local called, ok, err = pcall(run)
    C.fsync(fd)
    C.close(fd)
    if not called then
        return nil, ok
    end
    return ok, err
end

return _M
