-- Many patterns against one text. Exact ones and prefixes are looked up, so that a thousand cost what one does; only
-- regular expressions are tried one by one. Each entry has a rank; the lowest that fits is the answer.

local addresses = require "addresses"
local memo = require "memo"

local ngx = ngx
local next = next
local pairs = pairs
local re_find = ngx.re.find
local sub = string.sub

-- Once compiled, by the machine, and stopped where it backtracks too long (lua_regex_match_limit).
local OPTIONS = "jo"
local REMEMBERED = 4096 -- addresses

local _M = {}

-- The rank of an answer that could not be had: below all others.
_M.BROKEN = 0

-- Whether a regular expression compiles; nil and why if not.
function _M.compiles(pattern)
    local _, _, err = re_find("", pattern, OPTIONS)
    if err then
        return nil, err
    end
    return true
end

local function lower(one, other)
    if one and other then
        return one < other and one or other
    end
    return one or other
end

local function keep_lowest(ranks, key, rank)
    ranks[key] = lower(ranks[key], rank)
end

local function exact(ranks)
    return function(text)
        return ranks[text]
    end
end

-- A table by number as a list of {number, ranks}: lists are what LuaJIT compiles.
local function listed(by_number)
    local list = {}
    for number, ranks in pairs(by_number) do
        list[#list + 1] = { number = number, ranks = ranks }
    end
    return list
end

-- `lengths`: from a length to the prefixes of that length.
local function prefixes(lengths)
    local list = listed(lengths)
    local length, ranks = list[1].number, list[1].ranks
    return function(text)
        -- The first one apart, as above; a text that is too short is no key.
        local best = ranks[sub(text, 1, length)]
        for i = 2, #list do
            best = lower(best, list[i].ranks[sub(text, 1, list[i].number)])
        end
        return best
    end
end

local function regexes(list)
    return function(text)
        for i = 1, #list do
            local from, _, err = re_find(text, list[i].value, OPTIONS)
            if err then
                return _M.BROKEN
            end
            if from then
                return list[i].rank
            end
        end
        return nil
    end
end

-- Without a loop: LuaJIT compiles what has none together with what it is called from.
local function any_of(finders)
    local first, second, third = finders[1], finders[2], finders[3]
    if not second then
        return first
    end
    return function(text)
        local best = lower(first(text), second(text))
        return third and lower(best, third(text)) or best
    end
end

local function sort_out(entries)
    local found = { exact = {}, prefix = {}, regex = {} }
    for i = 1, #entries do
        local each = entries[i]
        if each.match == "regex" then
            local ok, err = _M.compiles(each.value)
            if not ok then
                return nil, err
            end
            found.regex[#found.regex + 1] = each
        elseif each.match == "prefix" then
            local length = #each.value
            found.prefix[length] = found.prefix[length] or {}
            keep_lowest(found.prefix[length], each.value, each.rank)
        else
            keep_lowest(found.exact, each.value, each.rank)
        end
    end
    return found
end

-- A function from a text to the lowest rank among `entries` ({match = "exact" | "prefix" | "regex", value, rank}, by
-- rank), nil where none fits; nil instead of it when there are no entries; nil and why when one does not compile.
function _M.text(entries)
    local found, err = sort_out(entries)
    if not found then
        return nil, err
    end
    local finders = {}
    if next(found.exact) then
        finders[#finders + 1] = exact(found.exact)
    end
    if next(found.prefix) then
        finders[#finders + 1] = prefixes(found.prefix)
    end
    if #found.regex > 0 then
        finders[#finders + 1] = regexes(found.regex)
    end
    return any_of(finders)
end

-- The same for the bytes of an address; a value is an address or a network.
function _M.address(entries)
    if #entries == 0 then
        return nil
    end
    local networks = { [4] = {}, [16] = {} }
    for i = 1, #entries do
        local length, bits, prefix = addresses.network(entries[i].value)
        if not length then
            return nil, "not an address or network: " .. entries[i].value
        end
        networks[length][bits] = networks[length][bits] or {}
        keep_lowest(networks[length][bits], prefix, entries[i].rank)
    end
    local lists = { [4] = listed(networks[4]), [16] = listed(networks[16]) }
    local known = memo.new(REMEMBERED)
    local function look(bytes)
        local best
        local list = lists[#bytes] or {}
        for i = 1, #list do
            best = lower(best, list[i].ranks[addresses.prefix(bytes, list[i].number)])
        end
        return best
    end
    return function(bytes)
        local rank = known:get(bytes)
        if rank == nil then
            rank = look(bytes) or false
            known:set(bytes, rank)
        end
        return rank or nil
    end
end

return _M
