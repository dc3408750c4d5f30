-- A bounded cache of one worker. Two tables take turns: when the young one is full, it becomes the old one, and what
-- nobody asked for since is forgotten with the one before.

local setmetatable = setmetatable

local _M = {}
local methods = { __index = _M }

-- A cache that holds at most twice `size` values.
function _M.new(size)
    return setmetatable({ young = {}, old = {}, count = 0, size = size }, methods)
end

function _M.set(self, key, value)
    if self.count >= self.size then
        self.old, self.young, self.count = self.young, {}, 0
    end
    self.young[key] = value
    self.count = self.count + 1
end

-- The value that was kept under this key, or nil.
function _M.get(self, key)
    local value = self.young[key]
    if value ~= nil then
        return value
    end
    value = self.old[key]
    if value ~= nil then
        self:set(key, value)
    end
    return value
end

return _M
