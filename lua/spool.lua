-- Usage batches on the disk until the control plane has counted them. A batch is a file, whose name is its number
-- and whose text is the request's body; the file with the highest number stays as `.sent`, so that no number is
-- ever used twice. Files are whole or not there, whenever a process is killed.

local cjson = require "cjson.safe"
local files = require "files"
local utils = require "utils"

local ngx = ngx
local find = string.find
local floor = math.floor
local format = string.format
local match = string.match
local random = math.random
local sort = table.sort
local tonumber = tonumber
local type = type

local FOLDER = ngx.config.prefix() .. "../agent/spool"
local STREAM = FOLDER .. "/stream"
local MOST = 360            -- batches kept: an hour of one every ten seconds
local MOST_BAD = 20         -- files set aside that are kept
local LIMIT = 1024 * 1024   -- bytes of a batch
local PREFIX = "lazarus agent: "

local _M = {}

local function path_of(seq, ending)
    return FOLDER .. "/" .. format("%012d", seq) .. ending
end

-- {waiting = sorted numbers, last, bad (count)} of what is in the folder.
local function scan()
    local names, err = files.names(FOLDER)
    if not names then
        return nil, err
    end
    local found = { waiting = {}, last = 0, bad = 0, sent = {} }
    for i = 1, #names do
        local digits, ending = match(names[i], "^(%d+)%.(%l+)$")
        local seq = tonumber(digits)
        if seq then
            found.last = seq > found.last and seq or found.last
            if ending == "json" then
                found.waiting[#found.waiting + 1] = seq
            elseif ending == "sent" then
                found.sent[#found.sent + 1] = seq
            else
                found.bad = found.bad + 1
            end
        end
    end
    sort(found.waiting)
    return found
end

local function new_stream()
    local id = format("%08x%08x%08x", floor(ngx.now()), floor(random() * 2 ^ 32), ngx.worker.pid())
    local ok, err = files.write_private(STREAM, id)
    return ok and id, err
end

-- The id under which this node's numbers count; a new one when there is none.
local function stream()
    local id = files.read(STREAM, 64)
    if id and find(id, "^[%w_-]+$") then
        return id
    end
    return new_stream()
end

local function store(batch)
    local id, err = stream()
    if not id then
        return nil, err
    end
    local found
    found, err = scan()
    if not found then
        return nil, err
    end
    local seq = found.last + 1
    local text
    text, err = cjson.encode { stream = id, seq = seq, day = batch.day, users = batch.users }
    if not text then
        return nil, err
    end
    return files.write_private(path_of(seq, ".json"), text)
end

-- Makes the folder where it is missing. True when there is room for another batch, else false; nil and why when
-- the folder cannot be used.
function _M.has_room()
    local ok, err = files.make_folder(FOLDER)
    local found
    if ok then
        found, err = scan()
    end
    if not found then
        return nil, err
    end
    return #found.waiting < MOST
end

-- Keeps {day, users} as the next batch. Once this returned true, it will be sent.
function _M.keep(batch)
    return files.alone(FOLDER, function()
        return store(batch)
    end)
end

-- The numbers of the batches to send, in order.
function _M.waiting()
    local found, err = scan()
    return found and found.waiting, err
end

local function is_batch(document, seq)
    return type(document) == "table" and document.seq == seq and type(document.stream) == "string"
        and type(document.day) == "string" and type(document.users) == "table"
end

-- The text of a batch; nil and why when it is damaged.
function _M.read(seq)
    local text, err = files.read(path_of(seq, ".json"), LIMIT)
    if text and not is_batch(cjson.decode(text), seq) then
        return nil, "it is damaged"
    end
    return text, err and utils.clean(err)
end

-- Sets a batch aside that can never be counted, and says so.
function _M.set_aside(seq, why)
    ngx.log(ngx.ERR, PREFIX, "usage batch ", seq, " set aside: ", why)
    local found = scan()
    if found and found.bad >= MOST_BAD and seq < found.last then
        return files.remove(path_of(seq, ".json"))
    end
    return files.move(path_of(seq, ".json"), path_of(seq, ".bad"))
end

-- Forgets a batch that was counted. `counted` is the last number that the control plane has counted.
function _M.done(seq, counted)
    return files.alone(FOLDER, function()
        local found, err = scan()
        if not found then
            return nil, err
        end
        local ok
        ok, err = files.move(path_of(seq, ".json"), path_of(seq, ".sent"))
        for i = 1, #found.sent do
            if found.sent[i] ~= seq then
                files.remove(path_of(found.sent[i], ".sent"))
            end
        end
        -- Numbers from before this disk: ours would never count under that name.
        if type(counted) == "number" and counted > found.last then
            return new_stream()
        end
        return ok, err
    end)
end

return _M
