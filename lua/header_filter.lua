-- Asked for every answer before it leaves. `package.loaded` is a look into a table, `require` a call.

local phases = package.loaded.phases or require "phases"

phases.header()
