local stubs = require "stubs"
local cjson = require "cjson"

local function read(path)
    local file = io.open(path)
    local text = file and file:read("*a")
    if file then
        file:close()
    end
    return text
end

local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

describe("the spool", function()
    local spool, folder, root

    local function fresh()
        stubs.reset()
        stubs.prefix = root .. "/nginx/"
        spool = require "spool"
        assert(spool.has_room())
    end

    before_each(function()
        root = os.tmpname()
        os.remove(root)
        os.execute("mkdir -p " .. root .. "/nginx " .. root .. "/agent")
        folder = root .. "/agent/spool/"
        fresh()
    end)

    after_each(function()
        os.execute("rm -rf " .. root)
    end)

    local function keep(user, day)
        return spool.keep { day = day or "2026-11-21", users = { [user] = { 1, 2, 3 } } }
    end

    it("keeps batches under numbers that grow, one stream for all", function()
        assert.is_true(keep("a"))
        assert.is_true(keep("b"))
        assert.same({ 1, 2 }, spool.waiting())
        local first, second = cjson.decode((spool.read(1))), cjson.decode((spool.read(2)))
        assert.same({ a = { 1, 2, 3 } }, first.users)
        assert.same({ 1, 2, "2026-11-21" }, { first.seq, second.seq, second.day })
        assert.equal(first.stream, second.stream)
        assert.equal(first.stream, read(folder .. "stream"))
    end)

    it("S1-13: no number is used twice, though all batches are gone and everything began anew", function()
        keep("a")
        keep("b")
        assert.is_true(spool.done(1, 1))
        assert.is_true(spool.done(2, 2))
        assert.same({}, spool.waiting())
        fresh()
        keep("c")
        assert.same({ 3 }, spool.waiting())
        assert.equal(3, cjson.decode((spool.read(3))).seq)
    end)

    it("is bounded", function()
        for i = 1, 360 do
            write(folder .. ("%012d.json"):format(i), "{}")
        end
        assert.is_false(spool.has_room())
        spool.done(1, 1)
        assert.is_true(spool.has_room())
    end)

    it("tells a damaged batch, sets it aside, and goes on with the others", function()
        keep("a")
        keep("b")
        keep("c")
        for _, text in ipairs { "", "{", '{"stream":"x","seq":7,"day":"d","users":{}}', '{"seq":1}' } do
            write(folder .. "000000000001.json", text)
            local got, err = spool.read(1)
            assert.is_nil(got, text)
            assert.is_string(err)
        end
        assert.is_true(spool.set_aside(1, "it is damaged"))
        assert.same({ 2, 3 }, spool.waiting())
        assert.equal('{"seq":1}', read(folder .. "000000000001.bad"))
        assert.truthy(stubs.logged[1].text:find("usage batch 1 set aside: it is damaged", 1, true))
        keep("d")
        assert.same({ 2, 3, 4 }, spool.waiting())
    end)

    it("keeps so many of those set aside, but never forgets a number", function()
        for i = 1, 25 do
            write(folder .. ("%012d.bad"):format(i), "x")
        end
        keep("a")
        keep("b")
        spool.set_aside(26, "x")
        spool.set_aside(27, "x")
        assert.is_nil(read(folder .. "000000000026.bad"))
        assert.equal("string", type(read(folder .. "000000000027.bad")))
        keep("c")
        assert.same({ 28 }, spool.waiting())
    end)

    it("a number that this disk has never used was counted: another stream", function()
        keep("a")
        local stream = read(folder .. "stream")
        spool.done(1, 1)
        assert.equal(stream, read(folder .. "stream"))
        keep("b")
        spool.done(2, 40)
        assert.not_equal(stream, read(folder .. "stream"))
        keep("c")
        assert.equal(read(folder .. "stream"), cjson.decode((spool.read(3))).stream)
    end)

    it("a damaged stream file is a new stream", function()
        write(folder .. "stream", "../x\n")
        keep("a")
        assert.truthy(read(folder .. "stream"):find("^%x+$"))
    end)

    it("a batch half written by a process that was killed is not there", function()
        write(folder .. "000000000001.json.new", '{"stream"')
        assert.same({}, spool.waiting())
        keep("a")
        assert.same({ 1 }, spool.waiting())
    end)

    it("says why it cannot keep a batch", function()
        os.execute("rm -rf " .. folder .. "; touch " .. root .. "/agent/spool")
        local room, err = spool.has_room()
        assert.is_nil(room)
        assert.is_string(err)
        local ok
        ok, err = keep("a")
        assert.is_nil(ok)
        assert.is_string(err)
    end)
end)
