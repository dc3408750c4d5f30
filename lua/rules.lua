-- The rules of a service, compiled once in each worker when their version changes: what a request needs then is
-- lookups and closures, no parsing.

local addresses = require "addresses"
local cjson = require "cjson.safe"
local clients = require "clients"
local digest = require "digest"
local matcher = require "matcher"
local memo = require "memo"

local ngx = ngx
local byte = string.byte
local format = string.format
local gsub = string.gsub
local huge = math.huge
local min = math.min
local pairs = pairs
local sub = string.sub
local type = type

local cache = ngx.shared.config_cache

local AGENTS, LONGEST_AGENT = 2048, 512 -- User-Agents remembered, and bytes of one
local DEVICES = 512                     -- addresses remembered with each of them

local _M = {}

-- What a rule looks at: in which part of a request, and when that is known.
local FIELDS = { "ip", "path", "device", "user", "client", "userAgent" }

local function by_field(list)
    local found = {}
    for i = 1, #FIELDS do
        found[FIELDS[i]] = {}
    end
    for rank = 1, #list do
        local when = list[rank].when
        local entries = type(when) == "table" and found[when.field]
        if not entries or type(when.value) ~= "string" then
            return nil, "a rule looks at nothing"
        end
        entries[#entries + 1] = { match = when.match, value = when.value, rank = rank }
    end
    return found
end

-- {ip, path, device, user, client, userAgent: functions, nil where no rule asks; reasons, rates by rank}.
local function judge(list)
    local found, err = by_field(list)
    if not found then
        return nil, err
    end
    local made = { list = list }
    for field, entries in pairs(found) do
        made[field], err = (field == "ip" and matcher.address or matcher.text)(entries)
        if err then
            return nil, err
        end
    end
    made.by_request = made.ip or made.path or made.device
    return made
end

local function lowest(one, other)
    if one and other then
        return min(one, other)
    end
    return one or other
end

-- The lowest rank of a judge's rules that fits what is known of a request; nil where none does.
function _M.rank(made, subject, known, with_user)
    local rank = known
    if made.by_request then
        if made.ip then
            rank = lowest(rank, made.ip(subject.address))
        end
        if made.path then
            rank = lowest(rank, made.path(subject.path))
        end
        if made.device then
            rank = lowest(rank, made.device(subject.device))
        end
    end
    if with_user and made.user then
        rank = lowest(rank, made.user(subject.user))
    end
    return rank
end

-- Why a rule of this rank refuses.
function _M.reason(made, rank)
    local rule = made.list[rank]
    return rule and rule.reason or "a rule could not be evaluated"
end

local function of_agent(made, agent, name)
    local rank = made.userAgent and made.userAgent(agent)
    if made.client and name then
        rank = lowest(rank, made.client(name))
    end
    return rank
end

-- Whether a client may pass: nil, or why not.
local function refusal(allow, who)
    if #allow.clients > 0 and not (who.name and allow.named[who.name]) then
        return who.name and "the client is not on the list" or "the client is unknown"
    end
    local least = who.name and allow.minimum[who.name]
    if least and not clients.at_least(who.version, least) then
        return "the client is older than " .. least
    end
    return nil
end

-- Everything that follows from a User-Agent alone.
local function agent_facts(rules, agent)
    local who = rules.detect(agent)
    local facts = who or { broken = true }
    facts.devices = memo.new(DEVICES)
    facts.agent = agent
    facts.block = of_agent(rules.block, agent, facts.name)
    facts.reject = of_agent(rules.reject, agent, facts.name)
    facts.throttle = of_agent(rules.throttle, agent, facts.name)
    facts.refusal = who and refusal(rules.allow, who) or not who and "the client could not be told" or nil
    return facts
end

-- What is known of a User-Agent: the client ({name?, version?, token, device?}) and which rules it meets by that.
function _M.agent(rules, agent)
    local facts = rules.agents:get(agent)
    if not facts then
        facts = agent_facts(rules, agent)
        if #agent <= LONGEST_AGENT then
            rules.agents:set(agent, facts)
        end
    end
    return facts
end

local function made_up_device(address, agent)
    local bytes = sub(digest.sha256(address .. agent), 1, 8)
    return "~" .. gsub(bytes, ".", function(char)
        return format("%02x", byte(char))
    end)
end

-- The device that asks: by its own id, else one made up of its address and its User-Agent.
function _M.device(facts, address, query)
    if facts.device then
        local given = facts.device(query)
        if clients.is_device(given) then
            return given
        end
    end
    local device = facts.devices:get(address)
    if not device then
        device = made_up_device(addresses.owner(address), facts.agent)
        facts.devices:set(address, device)
    end
    return device
end

local function only(list, action)
    local chosen = {}
    for i = 1, #list do
        if list[i].action == action then
            chosen[#chosen + 1] = list[i]
        end
    end
    return chosen
end

-- One limit for each `by`: of several, the lowest.
local function limits(list)
    local by, all = {}, {}
    for i = 1, #list do
        local each = list[i]
        local limit = by[each.by]
        if not limit then
            limit = { by = each.by }
            by[each.by] = limit
            all[#all + 1] = limit
        end
        limit.second = lowest(limit.second, each.perSecond)
        limit.minute = lowest(limit.minute, each.perMinute)
    end
    return all
end

local function seconds_beyond(mode)
    if mode.mode == "allow" then
        return huge
    end
    return mode.mode == "stale" and type(mode.seconds) == "number" and mode.seconds or 0
end

local function names(list)
    local set = {}
    for i = 1, #list do
        set[list[i]] = true
    end
    return set
end

local function skip(list)
    local entries = {}
    for rank = 1, #list do
        entries[rank] = { match = list[rank].match, value = list[rank].value, rank = rank }
    end
    return matcher.text(entries)
end

local function or_empty(value)
    return type(value) == "table" and value or {}
end

local function judges(rules, document)
    local enforce = or_empty(document.enforce)
    local lists = {
        block = or_empty(document.block),
        reject = only(enforce, "reject"),
        throttle = only(enforce, "throttle"),
    }
    for name, list in pairs(lists) do
        local made, err = judge(list)
        if not made then
            return err
        end
        rules[name] = made
    end
    return nil
end

-- The rules (a decoded `rules` document; every part may be absent) as the gate uses them; nil and why when a part
-- of them cannot be used.
function _M.compile(document)
    local allow, sessions = or_empty(document.allow), or_empty(document.sessions)
    local described = or_empty(document.clients)
    local rules = {
        beyond = seconds_beyond(or_empty(document.failMode)),
        limits = limits(or_empty(document.limits)),
        quotas = next(or_empty(document.quotas)) and document.quotas or nil,
        most = sessions.max,
        on_exceed = sessions.onExceed or "reject",
        allow = {
            clients = or_empty(allow.clients),
            named = names(or_empty(allow.clients)),
            minimum = or_empty(allow.minimum),
        },
        agents = memo.new(AGENTS),
    }
    local err = judges(rules, document)
    if not err then
        rules.skip, err = skip(or_empty(document.skip))
    end
    if not err then
        local common = or_empty(document.tokens)
        rules.detect, err = clients.detector(#described > 0 and described or clients.COMMON,
            #common > 0 and common or { "query:token", "header:Lazarus-Token" })
    end
    if err then
        return nil, err
    end
    return rules
end

local compiled, compiled_version, tried

-- The rules in force, compiled; nil while there are none that can be used.
function _M.current()
    local version = cache:get("rules_version")
    if not tried or version ~= compiled_version then
        local document = cjson.decode(cache:get("rules") or "")
        local ok, rules = pcall(_M.compile, document)
        compiled, compiled_version, tried = ok and rules or nil, version, true
    end
    return compiled
end

return _M
