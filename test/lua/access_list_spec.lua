local stubs = require "stubs"
local digest = require "digest"

local function key(number)
    return digest.from_hex(("%064x"):format(number))
end

-- An answer whose entries are these numbers, under text or false.
local function answer(entries, over)
    local keys, i = {}, 0
    for number in pairs(entries) do
        keys[#keys + 1] = number
    end
    local parsed = { list = "l1", seq = 1, full = true }
    for name, value in pairs(over or {}) do
        parsed[name] = value
    end
    parsed.next = function()
        i = i + 1
        if keys[i] == "end" then
            return nil, entries["end"]
        end
        return keys[i] and key(keys[i]), entries[keys[i]]
    end
    return parsed
end

local function many(count)
    local entries = {}
    for i = 1, count do
        entries[i] = "u" .. i
    end
    return entries
end

describe("the access list", function()
    local list, state

    before_each(function()
        stubs.reset()
        list = require "access_list"
        state = ngx.shared.state
    end)

    local function value(number)
        local current = state:get("current")
        return current and ngx.shared[current]:get(key(number))
    end

    local function head()
        local id, seq = list.head()
        return tostring(id) .. "/" .. tostring(seq)
    end

    it("S0-10: is not there before the first answer", function()
        assert.is_false(list.loaded())
        assert.equal("nil/nil", head())
    end)

    it("is replaced whole by a full answer", function()
        assert.equal(3, list.apply(answer(many(3))))
        assert.equal("u2", value(2))
        assert.equal("l1/1", head())
        list.apply(answer({ [9] = "u9" }, { seq = 4 }))
        assert.is_nil(value(2))
        assert.equal("u9", value(9))
        assert.equal("l1/4", head())
        list.apply(answer({}, { list = "l2", seq = 0 }))
        assert.is_nil(value(9))
        assert.equal("l2/0", head())
    end)

    it("S0-9: a change touches its entries and no other", function()
        list.apply(answer(many(3)))
        local current = state:get("current")
        local change = { full = false, from = 1, seq = 7 }
        assert.equal(3, list.apply(answer({ [1] = "new", [2] = false, [4] = "u4" }, change)))
        assert.same({ "new", nil, "u3", "u4" }, { value(1), value(2), value(3), value(4) })
        assert.equal("l1/7", head())
        assert.equal(current, state:get("current"))
    end)

    it("refuses a change to what it does not have", function()
        local wrong = { full = false, from = 1, seq = 7 }
        assert.is_nil(list.apply(answer({ [1] = "x" }, wrong)))
        list.apply(answer(many(1)))
        for _, over in ipairs {
            { full = false, from = 0, seq = 7 },
            { full = false, from = 2, seq = 7 },
            { full = false, from = 1, seq = 7, list = "l2" },
        } do
            local count, err, bad_moment = list.apply(answer({ [1] = "x" }, over))
            assert.is_nil(count)
            assert.equal("it changes another list than ours", err)
            assert.is_falsy(bad_moment)
        end
        assert.equal("u1", value(1))
        assert.equal("l1/1", head())
    end)

    it("shows the old list whole until the new one is whole, and gives way in between", function()
        list.apply(answer(many(1)))
        local seen = {}
        stubs.on_sleep = function()
            table.insert(seen, head() .. " " .. tostring(value(1)) .. " " .. tostring(value(5000)))
        end
        list.apply(answer(many(5000), { seq = 2 }))
        assert.is_true(#seen >= 10)
        for _, each in ipairs(seen) do
            assert.equal("l1/1 u1 nil", each)
        end
        assert.equal("u5000", value(5000))
    end)

    it("an answer that breaks off changes nothing, full or not", function()
        list.apply(answer(many(1)))
        for _, over in ipairs { { seq = 2 }, { full = false, from = 1, seq = 2 } } do
            local broken = answer({ [1] = "x", [2] = "y" }, over)
            local next, count = broken.next, 0
            broken.next = function()
                count = count + 1
                if count == 3 then
                    return nil, "cut"
                end
                return next()
            end
            local ok, err = list.apply(broken)
            assert.is_nil(ok)
            assert.equal("cut", err)
            assert.same({ "u1", nil }, { value(1), value(2) })
            assert.equal("l1/1", head())
        end
    end)

    it("refuses a list that does not fit, whole", function()
        list.apply(answer(many(3)))
        ngx.shared.access_b = stubs.dict(10)
        local count, err = list.apply(answer(many(11), { seq = 2 }))
        assert.is_nil(count)
        assert.equal("the list does not fit: no memory", err)
        assert.equal("u3", value(3))
        assert.equal("l1/1", head())
    end)

    it("stops for a reload, which is nobody's fault", function()
        list.apply(answer(many(1)))
        stubs.on_sleep = function()
            stubs.exiting = true
        end
        local count, err, bad_moment = list.apply(answer(many(5000), { seq = 2 }))
        assert.is_nil(count)
        assert.equal("nginx is reloading", err)
        assert.is_true(bad_moment)
        assert.equal("l1/1", head())
    end)

    it("one worker at a time, and the next one after a failure", function()
        local second
        stubs.on_sleep = function()
            second = second or { list.apply(answer({}, { seq = 3 })) }
        end
        list.apply(answer(many(1000), { seq = 2 }))
        assert.same({ nil, "another worker is applying a list", true }, second)
        assert.equal("l1/2", head())
        stubs.on_sleep = nil
        assert.is_nil(list.apply(answer({ 1 }, { full = false, from = 9, seq = 9 })))
        assert.equal(0, list.apply(answer({}, { seq = 5 })))
    end)

    it("a worker that was killed holds up nobody", function()
        stubs.pid = 4194303
        assert.is_true(require("lock").take("applying"))
        stubs.pid = 1
        assert.equal(1, list.apply(answer(many(1))))
    end)
end)
