require("stubs").reset()
local access_answer = require "access_answer"
local digest = require "digest"

local function hex(number)
    return ("%064x"):format(number)
end

local function answer(access, head)
    return (head or '{"list":"l1","from":2,"seq":5,"full":false') .. ',"access":' .. access .. "}"
end

-- All entries as a table, or nil and why.
local function read(text)
    local parsed, err = access_answer.parse(text)
    if not parsed then
        return nil, err
    end
    local entries = {}
    while true do
        local key, value = parsed.next()
        if key == nil then
            return value == nil and entries or nil, value
        end
        entries[key] = value
    end
end

describe("an answer with the access list", function()
    it("S0-9: is read entry by entry, as the gate wants it", function()
        local entries = read(answer('{"' .. hex(1) .. '":["u1",0,0,"ok"],"' .. hex(2) .. '":null, "' .. hex(3)
            .. '" : [ "u-3.x" , 1700000000 , 3 , "over" ] }'))
        assert.same({
            [digest.from_hex(hex(1))] = "u1|0|0|ok",
            [digest.from_hex(hex(2))] = false,
            [digest.from_hex(hex(3))] = "u-3.x|1700000000|3|over",
        }, entries)
        assert.same({}, read(answer("{}")))
        assert.same({}, read(answer("{ } ") .. "\n"))
    end)

    it("has a head", function()
        local parsed = access_answer.parse(answer("{}"))
        assert.same({ "l1", 5, false, 2 }, { parsed.list, parsed.seq, parsed.full, parsed.from })
        assert.is_true(access_answer.parse(answer("{}", '{"list":"l1","seq":0,"full":true')).full)
    end)

    local one = '"' .. hex(1) .. '":["u1",0,0,"ok"]'
    local bad = {
        ["an upper-case name"] = '{"' .. hex(255):upper() .. '":["u1",0,0,"ok"]}',
        ["a short name"] = '{"abc":["u1",0,0,"ok"]}',
        ["a list for entries"] = "[1,2]",
        ["a negative end"] = '{"' .. hex(1) .. '":["u1",-1,0,"ok"]}',
        ["a broken end"] = '{"' .. hex(1) .. '":["u1",1.5,0,"ok"]}',
        ["an endless end"] = '{"' .. hex(1) .. '":["u1",' .. ("9"):rep(16) .. ',0,"ok"]}',
        ["text for an end"] = '{"' .. hex(1) .. '":["u1","0",0,"ok"]}',
        ["a bar in a name"] = '{"' .. hex(1) .. '":["u|1",0,0,"ok"]}',
        ["an escape in a name"] = '{"' .. hex(1) .. '":["u\\u0041",0,0,"ok"]}',
        ["no name"] = '{"' .. hex(1) .. '":["",0,0,"ok"]}',
        ["an endless name"] = '{"' .. hex(1) .. '":["' .. ("u"):rep(65) .. '",0,0,"ok"]}',
        ["an unknown state"] = '{"' .. hex(1) .. '":["u1",0,0,"fine"]}',
        ["too few parts"] = '{"' .. hex(1) .. '":["u1",0,0]}',
        ["too many parts"] = '{"' .. hex(1) .. '":["u1",0,0,"ok",1]}',
        ["true"] = '{"' .. hex(1) .. '":true}',
        ["a comma at the end"] = "{" .. one .. ",}",
        ["no comma"] = "{" .. one .. " " .. one .. "}",
        ["an open end"] = "{" .. one,
    }
    for what, access in pairs(bad) do
        it("with " .. what .. " cannot be used", function()
            local entries, err = read(answer(access))
            assert.is_nil(entries)
            assert.is_string(err)
        end)
    end

    it("cut anywhere cannot be used", function()
        local whole = answer("{" .. one .. ',"' .. hex(2) .. '":null}')
        assert.is_table(read(whole))
        for length = 0, #whole - 1 do
            local entries, err = read(whole:sub(1, length))
            assert.is_nil(entries, length)
            assert.is_string(err, length)
        end
        assert.is_nil(read(whole .. "}"))
        assert.is_nil(read(whole .. whole))
    end)

    it("without a usable head cannot be used", function()
        local heads = {
            '{"seq":5,"full":true',
            '{"list":7,"seq":5,"full":true',
            '{"list":"","seq":5,"full":true',
            '{"list":"a b","seq":5,"full":true',
            '{"list":"' .. ("l"):rep(65) .. '","seq":5,"full":true',
            '{"list":"l1","full":true',
            '{"list":"l1","seq":-1,"full":true',
            '{"list":"l1","seq":1.5,"full":true',
            '{"list":"l1","seq":"5","full":true',
            '{"list":"l1","seq":5',
            '{"list":"l1","seq":5,"full":1',
            '{"list":"l1","seq":5,"full":false',
            '{"list":"l1","seq":5,"full":false,"from":"4"',
            "[",
            "",
        }
        for _, head in ipairs(heads) do
            local parsed, err = access_answer.parse(answer("{}", head))
            assert.is_nil(parsed, head)
            assert.is_string(err, head)
        end
        for _, text in ipairs { "", "7", "<html>", "null", "{}", '{"access":{}}' } do
            assert.is_nil(access_answer.parse(text), text)
        end
    end)
end)
