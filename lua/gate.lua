-- Decides who may pass, check by check, in this order: state, skip list, block list, client and token to user,
-- enforcement, rate limits, quotas, sessions, client allow-list and least version. Fails closed: whatever is missing,
-- malformed, broken or too old means no.

local addresses = require "addresses"
local clock = require "clock"
local digest = require "digest"
local enforcement = require "enforcement"
local memo = require "memo"
local places = require "places"
local rate_limiter = require "rate_limiter"
local records = require "access_record"
local rules_of = require "rules"
local session_checker = require "session_checker"

local ngx = ngx
local abs = math.abs
local huge = math.huge

local state = ngx.shared.state

local FORBIDDEN, TOO_MANY = 403, 429
local USERS = 16384 -- tokens that a worker remembers
local SOON = 10     -- seconds after which a device may ask again for a place
local TUNNELS = { ["/vl"] = true, ["/vm"] = true }

local _M = {}

local known = memo.new(USERS)

local function no(check, reason, retry)
    return { check = check, status = retry and TOO_MANY or FORBIDDEN, reason = reason, retry = retry }
end

-- Whether the control plane was heard lately enough, or at most `beyond` seconds longer ago than that. Both signs: a
-- clock set back must not keep the gate open.
function _M.fresh(now, beyond)
    if beyond == huge then
        return true
    end
    local heard, window = state:get("heard"), state:get("window")
    return heard ~= nil and window ~= nil and abs(now - heard) < window + (beyond or 0)
end

-- Why nobody passes; nil when they may.
local function closed(list, rules, now)
    if not list then
        return no("state", "there is no access list")
    end
    if not rules then
        return no("state", "the rules cannot be used")
    end
    if not _M.fresh(now, rules.beyond) then
        return no("state", "the control plane is silent for too long")
    end
    return nil
end

-- What all requests of this moment meet: {at, list, rules, denial?}. Looked up once for each turn of the event loop.
local moment = { at = -1 }

local function look(now)
    if now ~= moment.at then
        moment.at, moment.list, moment.rules = now, records.list(), rules_of.current()
        moment.denial = closed(moment.list, moment.rules, now)
    end
    return moment
end

-- Whether requests may pass at all; or nil and why not.
function _M.is_open(now)
    local denial = look(now).denial
    if denial then
        return nil, denial.reason
    end
    return true
end

-- The list's entry of a token. The lookup is by digest, so its time tells nothing of the token.
local function entry_of(list, token)
    local entry = known:get(token)
    if entry then
        return records.read(list, entry)
    end
    if not places.is_token(token) then
        return nil
    end
    entry = records.read(list, { hash = digest.sha256(token) })
    if entry then
        known:set(token, entry)
    end
    return entry
end

local function block(rules, subject, facts)
    local rank = rules_of.rank(rules.block, subject, facts.block, false)
    return rank and no("block", rules_of.reason(rules.block, rank))
end

-- Who asks: fills in user, hash and record, or says why nobody does.
local function recognise(list, subject, facts, query, now)
    if not facts.token then
        return no("client", facts.refusal)
    end
    local token = facts.token(query)
    if not token then
        return no("token", token == nil and "there is no token" or "the token is not exactly one")
    end
    local entry = entry_of(list, token)
    if not entry then
        return no("token", "the token is unknown")
    end
    subject.user, subject.hash, subject.entry = entry.user, entry.hash, entry
    local refusal = records.refusal(entry, now)
    return refusal and no("token", refusal)
end

-- The slower one of two rates, or the one there is.
local function slower(one, other)
    return one and other and math.min(one, other) or one or other
end

-- Block rules about users, then enforcement; sets the rate of a throttled one.
local function enforce(rules, subject, facts)
    local everywhere = enforcement.of(subject.user)
    subject.everywhere = everywhere
    local rank = rules.block.user and rules.block.user(subject.user)
    if rank then
        return no("block", rules_of.reason(rules.block, rank))
    end
    rank = rules_of.rank(rules.reject, subject, facts.reject, true)
    if rank then
        return no("enforce", rules_of.reason(rules.reject, rank))
    end
    if everywhere == "reject" then
        return no("enforce", "refused on all nodes")
    end
    rank = rules_of.rank(rules.throttle, subject, facts.throttle, true)
    if rank == 0 then
        return no("enforce", rules_of.reason(rules.throttle, rank))
    end
    subject.rate = slower(rank and rules.throttle.list[rank].bytesPerSecond, everywhere)
    return nil
end

local function limit_key(by, subject)
    if by == "user" then
        return subject.user
    end
    if by == "device" then
        return subject.user .. "|" .. subject.device
    end
    return by == "ip" and addresses.owner(subject.address) or ""
end

local function over_limit(limit, subject)
    local ok, retry = rate_limiter.allow(limit.by, limit_key(limit.by, subject), limit.second, limit.minute)
    return not ok and no("rate", "too many requests by " .. limit.by, retry) or nil
end

local function limit(rules, subject)
    local limits = rules.limits
    -- The first one apart: LuaJIT compiles what has no loop in it together with what it is called from.
    local denial = limits[1] and over_limit(limits[1], subject)
    for i = 2, #limits do
        denial = denial or over_limit(limits[i], subject)
    end
    if denial then
        return denial
    end
    if rules.quotas then
        local ok, reason, retry = rate_limiter.quota(subject.user, rules.quotas)
        if not ok then
            return no("quota", reason, retry)
        end
    end
    return nil
end

local function most_devices(rules, entry)
    return entry.devices > 0 and entry.devices or rules.most
end

local function take_place(rules, subject, facts)
    local user, device = subject.user, subject.device
    local max = most_devices(rules, subject.entry)
    local ok, reason = session_checker.enter(user, device, subject.client, max, rules.on_exceed)
    if not ok then
        return no("sessions", reason, SOON)
    end
    if facts.refusal then
        session_checker.leave(user, device, true)
        return no("client", facts.refusal)
    end
    subject.entered = true
    return nil
end

local function subject_of(rules, path)
    local var = ngx.var
    local query, address = var.args, var.binary_remote_addr
    local facts = rules_of.agent(rules, var.http_user_agent or "")
    return {
        path = path,
        tunnel = TUNNELS[path],
        address = address,
        client = facts.name,
        device = rules_of.device(facts, address, query),
        facts = facts,
        rules = rules,
        user = nil, hash = nil, entry = nil, rate = nil, entered = nil,
    }, facts, query
end

-- Looks at the current request. True when it passes, else {check, status, reason, retry?}; and what is known of it
-- ({path, user?, hash?, device?, client?, rate?, ..}; no user: it is on the skip list).
function _M.check(now)
    local met = look(now)
    if met.denial then
        return met.denial, {}
    end
    local list, rules = met.list, met.rules
    local path = ngx.var.uri
    local rank = rules.skip and rules.skip(path)
    if rank and rank > 0 then
        return true, { path = path }
    end
    local subject, facts, query = subject_of(rules, path)
    local denial = block(rules, subject, facts)
        or recognise(list, subject, facts, query, now)
        or enforce(rules, subject, facts)
        or limit(rules, subject)
        or take_place(rules, subject, facts)
    return denial or true, subject
end

-- Whether the user of this digest, whom the gate let pass as `subject`, may go on now: true, or nil and the check
-- that says no. Follows changed rules, a changed rate included.
function _M.still(hash, subject)
    local now = clock.now()
    local met = look(now)
    if met.denial then
        return nil, "state"
    end
    local rules = met.rules
    local entry = records.read(met.list, { hash = hash })
    if not entry or records.refusal(entry, now) then
        return nil, "token"
    end
    if rules ~= subject.rules or enforcement.of(entry.user) ~= subject.everywhere then
        subject.rules, subject.facts = rules, rules_of.agent(rules, subject.facts.agent or "")
        local denial = block(rules, subject, subject.facts) or enforce(rules, subject, subject.facts)
        if denial then
            return nil, denial.check
        end
        if subject.facts.refusal then
            return nil, "client"
        end
    end
    if rules.quotas and not rate_limiter.has_bytes(entry.user, rules.quotas) then
        return nil, "quota"
    end
    if session_checker.kicked(entry.user, subject.device) then
        return nil, "sessions"
    end
    return true
end

return _M
