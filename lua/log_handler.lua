-- Asked at the end of every request. `package.loaded` is a look into a table, `require` a call.

local phases = package.loaded.phases or require "phases"

phases.log()
