-- Files of this nginx as the control plane wants them. A copy is tested beside the real ones, then they are swapped
-- and the master is asked to reload; whatever fails leaves files and running server as they were.

local files = require "files"
local process = require "process"
local reload = require "reload"
local utils = require "utils"

local ngx = ngx
local find = string.find
local gsub = string.gsub
local load = load
local match = string.match
local next = next
local pairs = pairs
local sort = table.sort
local sub = string.sub

local state = ngx.shared.state

local LIMIT = 16 * 1024 * 1024 -- bytes of a file
local TEST_SECONDS = 30
local STAGED, LAST = ".staged", ".last"
local REPORT_LIMIT, ERROR_LIMIT = 65536, 1000
local DUE = "reload_due"

local _M = {}

local function is_lua(name)
    return find(name, "%.lua$") ~= nil
end

-- nginx takes paths of Lua files from its prefix, and those that it includes from the folder of its main file.
local function path_of(nginx, name)
    return (is_lua(name) and ngx.config.prefix() or match(nginx.conf, "^(.*/)") or "") .. name
end

-- Which of {name = text} differ from what is on the disk: a sorted list of {path, name, text, old?}.
local function changed(nginx, texts)
    local list = {}
    for name, text in pairs(texts) do
        local path = path_of(nginx, name)
        local old = files.read(path, LIMIT)
        if old ~= text then
            list[#list + 1] = { path = path, name = name, text = text, old = old }
        end
    end
    sort(list, function(a, b)
        return a.name < b.name
    end)
    return list
end

-- nginx does not look into Lua when it tests: this does. Text only, since bytecode cannot be judged.
local function check_lua(change)
    if not is_lua(change.name) then
        return true
    end
    local chunk, err = load(change.text, "=" .. change.name, "t")
    return chunk ~= nil, err and utils.clean(err, ERROR_LIMIT)
end

-- The main file, with the staged copies in the place of the files that it includes.
local function staged_main(conf, list)
    local main, err = files.read(conf, LIMIT)
    if not main then
        return nil, utils.clean(err)
    end
    for i = 1, #list do
        local name = list[i].name
        if not is_lua(name) then
            local count
            main, count = gsub(main, "(\n%s*include%s+)" .. gsub(name, "%p", "%%%0") .. "(%s*;)",
                "%1" .. name .. STAGED .. "%2")
            if count == 0 then
                return nil, "nginx.conf does not include " .. name
            end
        end
    end
    return main
end

local function write_staged(nginx, list)
    local main, err = staged_main(nginx.conf, list)
    if not main then
        return nil, err
    end
    for i = 1, #list do
        local ok
        ok, err = check_lua(list[i])
        if ok then
            ok, err = files.write_public(list[i].path .. STAGED, list[i].text)
        end
        if not ok then
            return nil, err
        end
    end
    return files.write_public(nginx.conf .. STAGED, main)
end

local function test(nginx)
    local words = { nginx.binary, "-p", ngx.config.prefix(), "-c", nginx.conf .. STAGED, "-t" }
    if nginx.globals then
        words[#words + 1], words[#words + 2] = "-g", nginx.globals
    end
    local report = nginx.conf .. STAGED .. ".report"
    local code = process.run(words, report, TEST_SECONDS)
    local text = files.read(report, REPORT_LIMIT) or ""
    files.remove(report)
    if code == 0 then
        return true
    end
    return nil, code and reload.fault_in(text) or "nginx -t did not end"
end

local function remove_staged(nginx, list)
    files.remove(nginx.conf .. STAGED)
    for i = 1, #list do
        files.remove(list[i].path .. STAGED)
    end
end

-- Whether files were swapped by a worker that died before nginx had read them.
local function reload_is_due()
    local holder = state:get(DUE)
    return holder ~= nil and not process.alive(holder)
end

-- Takes {name = text}, such as {["server.conf"] = "..."}, and tests what differs from the disk. Returns
-- what `activate` takes, with `idle` true when there is nothing to do; or nil and nginx's own words.
function _M.stage(texts)
    if next(texts) == nil then
        return { idle = true, list = {} }
    end
    local nginx, err = process.nginx()
    if not nginx then
        return nil, err
    end
    local list = changed(nginx, texts)
    local staged = { nginx = nginx, list = list, idle = #list == 0 and not reload_is_due() }
    if #list == 0 then
        return staged
    end
    local ok
    ok, err = write_staged(nginx, list)
    if ok then
        ok, err = test(nginx)
    end
    if not ok then
        remove_staged(nginx, list)
        return nil, err
    end
    return staged
end

local function swap(list)
    for i = 1, #list do
        local each = list[i]
        local ok, err = true, nil
        if each.old then
            ok, err = files.write_public(each.path .. LAST, each.old)
        end
        if ok then
            ok, err = files.move(each.path .. STAGED, each.path)
        end
        if not ok then
            return nil, err
        end
        each.swapped = true
    end
    return true
end

local function swap_back(list)
    for i = 1, #list do
        local each = list[i]
        local ok, err = true, nil
        if each.swapped and each.old then
            ok, err = files.move(each.path .. LAST, each.path)
        elseif each.swapped then
            ok, err = files.remove(each.path)
        end
        if not ok then
            ngx.log(ngx.CRIT, "lazarus agent: ", err)
        end
    end
end

-- Puts staged files in the place of the old ones and has nginx read them. After an error all is as it was.
function _M.activate(staged)
    if staged.idle then
        return true
    end
    state:set(DUE, ngx.worker.pid())
    local ok, err = swap(staged.list)
    if ok then
        ok, err = reload.now()
    end
    if not ok then
        swap_back(staged.list)
    end
    remove_staged(staged.nginx, staged.list)
    state:delete(DUE)
    return ok, err and sub(err, 1, ERROR_LIMIT)
end

return _M
