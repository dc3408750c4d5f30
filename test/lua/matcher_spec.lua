local requests = require "request_stubs"

describe("matcher", function()
    local matcher, addresses

    before_each(function()
        requests.reset()
        matcher, addresses = require "matcher", require "addresses"
    end)

    local function text(...)
        local entries = {}
        for rank, each in ipairs { ... } do
            entries[rank] = { match = each[1], value = each[2], rank = rank }
        end
        return matcher.text(entries)
    end

    it("S1-11: finds exact texts, prefixes and regular expressions, the first rule first", function()
        local find = text({ "regex", "^/a.c" }, { "prefix", "/ab" }, { "exact", "/abc" }, { "prefix", "/" })
        assert.equal(1, find("/abc"))
        assert.equal(2, find("/ab"))
        assert.equal(2, find("/abd/c"))
        assert.equal(4, find("/x"))
        assert.is_nil(find("x"))
        assert.equal(2, text({ "exact", "a" }, { "prefix", "ab" }, { "exact", "abc" })("abc"))
    end)

    it("takes no text of a rule for a pattern", function()
        local find = text({ "exact", "a.c" }, { "prefix", "%w+" })
        assert.is_nil(find("abc"))
        assert.equal(1, find("a.c"))
        assert.equal(2, find("%w+x"))
    end)

    it("is nothing without entries, and says what does not compile", function()
        assert.is_nil(text())
        local find, err = text({ "regex", "(" })
        assert.is_nil(find)
        assert.is_string(err)
    end)

    it("counts a broken expression before all others", function()
        local fault
        ngx.re.find = function()
            return nil, nil, fault
        end
        package.loaded.matcher = nil
        matcher = require "matcher"
        local find = text({ "exact", "a" }, { "regex", "b" })
        assert.equal(1, find("a"))
        fault = "pcre_exec() failed: -8"
        assert.equal(matcher.BROKEN, find("a"))
    end)

    it("finds addresses in networks", function()
        local find = matcher.address {
            { value = "10.0.0.0/8", rank = 1 },
            { value = "192.0.2.7", rank = 2 },
            { value = "2001:db8::/33", rank = 3 },
            { value = "0.0.0.0/0", rank = 4 },
        }
        for address, rank in pairs {
            ["10.255.0.1"] = 1, ["192.0.2.7"] = 2, ["192.0.2.8"] = 4, ["2001:db8:7fff::1"] = 3,
        } do
            assert.equal(rank, find(addresses.bytes(address)), address)
            assert.equal(rank, find(addresses.bytes(address)), address .. " once more")
        end
        assert.is_nil(find(addresses.bytes("2001:db8:8000::1")))
        assert.is_nil(find(addresses.bytes("::1")))
        for _, wrong in ipairs { "10.0.0.0/33", "10.0.0", "::/129", "x", "10.0.0.0/", "1.2.3.4/8/8" } do
            assert.is_nil(matcher.address { { value = wrong, rank = 1 } }, wrong)
        end
    end)

    it("takes an IPv6 /64 for one owner", function()
        local owner = addresses.owner
        assert.equal(owner(addresses.bytes("2001:db8::1")), owner(addresses.bytes("2001:db8::2")))
        assert.not_equal(owner(addresses.bytes("2001:db8::1")), owner(addresses.bytes("2001:db8:0:1::1")))
        assert.not_equal(owner(addresses.bytes("10.0.0.1")), owner(addresses.bytes("10.0.0.2")))
    end)
end)
