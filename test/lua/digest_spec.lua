require "stubs"
local digest = require "digest"

local HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
local EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

describe("digest", function()
    it("is SHA-256", function()
        assert.equal(digest.from_hex(HELLO), digest.sha256("hello"))
        assert.equal(digest.from_hex(EMPTY), digest.sha256(""))
        assert.are_not.equal(digest.sha256("hello"), digest.sha256("hello\0"))
    end)

    it("reads lower-case hex of the right length, nothing else", function()
        assert.equal(32, #digest.from_hex(HELLO))
        local bad = { "", HELLO:upper(), HELLO:sub(2), HELLO .. "0", HELLO:sub(1, 63) .. "g", ("\0"):rep(64) }
        for _, text in ipairs(bad) do
            assert.is_nil(digest.from_hex(text))
        end
    end)
end)
