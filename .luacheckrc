std = "ngx_lua+busted"
max_line_length = 120
-- Specs put a stand-in there.
files["test/lua"].globals = { "ngx" }
