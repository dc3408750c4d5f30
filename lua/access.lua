-- Asked for every request: nothing, or 403 or 429. `package.loaded` is a look into a table, `require` a call.

local phases = package.loaded.phases or require "phases"

phases.access()
