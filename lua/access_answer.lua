-- The text of an answer with access list entries, read entry by entry: all of it at once would hold up the requests
-- of this worker for as long as 100,000 entries take.
--   {"list": "..", "seq": 7, "full": false, "from": 5, "access": {"<sha256 hex>": ["user", 0, 0, "ok"], ..: null}}
-- `access` comes last.

local cjson = require "cjson.safe"
local digest = require "digest"
local utils = require "utils"

local find = string.find
local match = string.match
local sub = string.sub
local type = type

local ENTRY = '^%s*"(%x+)"%s*:%s*%[%s*"([^"|\\%c]+)"%s*,%s*(%d+)%s*,%s*(%d+)%s*,%s*"(%l+)"%s*%]%s*()'
local REMOVAL = '^%s*"(%x+)"%s*:%s*null%s*()'
local STATES = { ok = true, off = true, over = true }
local LATEST = 2 ^ 53 -- numbers beyond are no longer whole
local LONGEST_USER, LONGEST_NUMBER, LONGEST_HEAD = 64, 15, 1024

local _M = {}

local function whole(value)
    return utils.number(value, 0, LATEST) and value % 1 == 0
end

-- What the gate reads: `user|end|devices|state`.
local function record(user, ends, devices, state)
    if #user > LONGEST_USER or #ends > LONGEST_NUMBER or #devices > LONGEST_NUMBER or not STATES[state] then
        return nil
    end
    return user .. "|" .. ends .. "|" .. devices .. "|" .. state
end

local function read_entry(text, at)
    local hash, user, ends, devices, state, after = match(text, ENTRY, at)
    local value
    if hash then
        value = record(user, ends, devices, state)
    else
        hash, after = match(text, REMOVAL, at)
        value = false
    end
    local key = hash and digest.from_hex(hash)
    if not key or value == nil then
        return nil
    end
    return key, value, after
end

-- A function that returns the next entry's key (32 raw bytes) and value (text, or false where the entry is gone);
-- nil after the last one; nil and why where the text is not what it should be.
local function entries(text, at)
    local first = true
    return function()
        if find(text, "^%s*}", at) then
            return nil, not find(text, "^%s*}%s*}%s*$", at) and "it goes on after the list" or nil
        end
        if not first then
            at = match(text, "^,()", at)
        end
        local key, value, after
        if at then
            key, value, after = read_entry(text, at)
        end
        if not key then
            at = #text + 1
            return nil, "an entry is not what it should be"
        end
        at, first = after, false
        return key, value
    end
end

local function read_head(text)
    local head, at = match(sub(text, 1, LONGEST_HEAD), '^(.-"access"%s*:%s*{)()')
    local document = head and cjson.decode(head .. "}}")
    if type(document) ~= "table" then
        return nil, "it holds no access list"
    end
    return document, at
end

-- {list, seq, full, from?, next} of an answer, `next` as above; nil and why where it cannot be used.
function _M.parse(text)
    local head, at = read_head(text)
    if not head then
        return nil, at
    end
    if type(head.list) ~= "string" or not find(head.list, "^[%w._-]+$") or #head.list > 64 then
        return nil, "it names no list"
    end
    if not whole(head.seq) or type(head.full) ~= "boolean" or not (head.full or whole(head.from)) then
        return nil, "it has no usable number"
    end
    return { list = head.list, seq = head.seq, full = head.full, from = head.from, next = entries(text, at) }
end

return _M
