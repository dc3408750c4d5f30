-- What a denied request is told: a status, and an id under which the operator finds the reason.

local ffi = require "ffi"
local telemetry = require "telemetry"
local utils = require "utils"

local ngx = ngx
local byte = string.byte
local char = string.char
local concat = table.concat
local ffi_string = ffi.string
local floor = math.floor
local match = string.match
local sub = string.sub

ffi.cdef [[
int RAND_bytes(unsigned char *buffer, int count);
]]

local ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
local LETTERS = {
    state = "s", block = "b", token = "t", enforce = "e", rate = "r", quota = "q", sessions = "n", client = "c",
}
local TIME_DIGITS, RANDOM_DIGITS = 8, 8 -- of five bits: thirty years of milliseconds, and chance
local LONGEST_PATH = 256

local buffer = ffi.new("unsigned char[?]", RANDOM_DIGITS)

local _M = {}

local function digit(value)
    local at = value % 32 + 1
    return sub(ALPHABET, at, at)
end

local function time_digits(now)
    local digits, rest = {}, floor(now * 1000)
    for i = TIME_DIGITS, 1, -1 do
        digits[i] = digit(rest)
        rest = floor(rest / 32)
    end
    return concat(digits)
end

local function random_digits()
    ffi.C.RAND_bytes(buffer, RANDOM_DIGITS)
    local bytes = ffi_string(buffer, RANDOM_DIGITS)
    local digits = {}
    for i = 1, RANDOM_DIGITS do
        digits[i] = digit(byte(bytes, i))
    end
    return concat(digits)
end

-- An id nobody had before: time, chance, and the letter of the check.
function _M.id(check, now)
    return time_digits(now) .. random_digits() .. "-" .. (LETTERS[check] or char(63))
end

-- A path for eyes: without what a mistaken client put behind it, which may be a token.
function _M.shown_path(path)
    return path and utils.clean(match(path, "^[^?;&=]*"), LONGEST_PATH)
end

-- Tells the control plane about a denial of what is known as `subject`; returns its id.
function _M.tell(denial, subject, now)
    local id = _M.id(denial.check, now)
    telemetry.blocked {
        id = id,
        at = now,
        check = denial.check,
        reason = utils.clean(denial.reason),
        status = denial.status,
        user = subject.user,
        client = subject.client,
        ip = ngx.var.remote_addr,
        path = _M.shown_path(subject.path or ngx.var.uri),
    }
    return id
end

return _M
