-- The last thing that a worker does: what it has counted goes to the disk, since an nginx that stops forgets its
-- shared dicts. Nobody asks a media edge for that.

local ok, err = pcall(function()
    if not require("media_agent").wanted() then
        require("reports").save()
    end
end)
if not ok then
    ngx.log(ngx.ERR, "lazarus agent: usage could not be saved: ", err)
end
