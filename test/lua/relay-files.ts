import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TlsPair } from '../../src/render/edge.js'

const LUA = join(import.meta.dirname, '../../lua')
const LOAD = ['ndk_http', 'ngx_http_lua'].map(name => `load_module /usr/lib/nginx/modules/${name}_module.so;`)

/** The name in the relay's certificate. */
export const NAME = 'edge-1.edge.lazarus.test'

/** How a relay is run; ports of 127.0.0.1. */
export interface Conf {
  port: number
  plainPort: number
  /** Where the test asks and tells. */
  extra: number
  /** Where `/vl` leads, and `/proxied` without our Lua. */
  vless: number
  vmess: number
  /** Bytes a second. */
  rate: number | undefined
  /** Seconds that workers have to end. */
  shutdown: number
  workers: number
}

/** The parts around the relay, as simple as they can be. */
const STANDINS = {
  'gate.lua': `return { still = function()
    local verdict = ngx.shared.state:get("verdict")
    if verdict then return nil, verdict end
    return true end }`,
  'usage.lua': `return { add = function(_, up, down)
    ngx.shared.usage:incr("up", up, 0) ngx.shared.usage:incr("down", down, 0) end }`,
  'session_checker.lua': 'return { touch = function() end }',
}

/** Writes everything that nginx needs to `root`, which exists. */
export function writeRelay(root: string, pair: TlsPair, how: Conf): void {
  mkdirSync(join(root, 'logs'))
  mkdirSync(join(root, 'standins'))
  cpSync(LUA, join(root, 'lua'), { recursive: true })
  for (const [name, text] of Object.entries(STANDINS)) writeFileSync(join(root, 'standins', name), text)
  const handler = join(root, 'lua/tunnel_handler.lua')
  const text = readFileSync(handler, 'utf8').replace('10801', `${how.vless}`).replace('10802', `${how.vmess}`)
  writeFileSync(handler, text)
  writeFileSync(join(root, 'cert.pem'), pair.chain)
  writeFileSync(join(root, 'key.pem'), pair.privateKey)
  writeFileSync(join(root, 'nginx.conf'), conf(how))
}

/** What starts nginx there, in the foreground. */
export const nginxArgv = (root: string): string[] => [
  ...['-p', `${root}/`, '-c', 'nginx.conf', '-g', `${LOAD.join(' ')} daemon off;`],
]

const conf = ({ port, plainPort, extra, vless, rate, shutdown, workers }: Conf): string => `
user www-data;
worker_processes ${workers};
worker_shutdown_timeout ${shutdown}s;
pid logs/nginx.pid;
error_log logs/error.log notice;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path temp-body; proxy_temp_path temp-proxy; fastcgi_temp_path temp-fastcgi;
  uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
  lua_package_path "$prefix/standins/?.lua;$prefix/lua/?.lua;;";
  lua_shared_dict state 1m; lua_shared_dict usage 1m; lua_shared_dict rate_limit 1m;
  lua_socket_log_errors off;
  server {
    listen 127.0.0.1:${port} ssl http2; listen 127.0.0.1:${plainPort};
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location ~ ^/v[lm]$ {
      access_by_lua_block { ngx.ctx.lazarus = { user = "u1", device = "d", rate = ${rate ?? 'nil'} } }
      lua_socket_buffer_size 16k;
      content_by_lua_file lua/tunnel_handler.lua;
    }
    location = /proxied {
      proxy_pass http://127.0.0.1:${vless}/vl;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection Upgrade;
    }
    location = /nobody {
      access_by_lua_block { ngx.ctx.lazarus = {} }
      content_by_lua_file lua/tunnel_handler.lua;
    }
  }
  server {
    listen 127.0.0.1:${extra};
    location ~ ^/verdict/(.+)$ { content_by_lua_block {
      ngx.shared.state:set("verdict", ngx.var[1] ~= "ok" and ngx.var[1] or nil) ngx.say("set") } }
    location = /counted { content_by_lua_block {
      ngx.say(ngx.shared.usage:get("up") or 0, ",", ngx.shared.usage:get("down") or 0) } }
  }
}
`
