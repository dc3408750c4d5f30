local ffi = require "ffi"
local files = require "files"

ffi.cdef "int mkdir(const char *path, unsigned int mode);"

describe("files", function()
    local folder

    before_each(function()
        folder = os.tmpname()
        os.remove(folder)
        ffi.C.mkdir(folder, 448)
    end)

    after_each(function()
        for _, name in ipairs { "/key", "/key.new", "/other" } do
            os.remove(folder .. name)
        end
        os.remove(folder)
    end)

    it("writes and reads back, and replaces what was there", function()
        assert.is_true(files.write_private(folder .. "/key", "first"))
        assert.is_true(files.write_private(folder .. "/key", "second\0text"))
        assert.equal("second\0text", files.read(folder .. "/key", 100))
    end)

    it("is not stopped by what a crash left, nor led away by a link", function()
        os.execute("ln -s " .. folder .. "/other " .. folder .. "/key.new")
        assert.is_true(files.write_private(folder .. "/key", "text"))
        assert.is_nil(io.open(folder .. "/other"))
    end)

    it("says why it could not", function()
        local ok, err = files.write_private(folder .. "/missing/key", "text")
        assert.is_nil(ok)
        assert.equal("cannot write " .. folder .. "/missing/key: No such file or directory", err)
    end)

    it("reads no more than it was told", function()
        files.write_private(folder .. "/key", "12345")
        assert.equal("12345", files.read(folder .. "/key", 5))
        assert.is_nil(files.read(folder .. "/key", 4))
        assert.is_nil(files.read(folder .. "/other", 4))
        files.write_private(folder .. "/key", "")
        assert.is_nil(files.read(folder .. "/key", 4))
    end)
end)
