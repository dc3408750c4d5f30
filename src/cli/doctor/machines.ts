import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findBinary, findPlugin } from '../../adapters/hcloud/discover.js'
import type { Settings } from '../../config/env.js'
import { messageOf } from '../../core/errors.js'
import type { Sight } from './finding.js'
import { ask, lastLine, which } from './programs.js'

const MODULES = '/usr/lib/nginx/modules'
const CJSON = '/usr/share/lua/5.1/cjson/util.lua'

/** A program that only has to be here. */
function program(name: string, file: string, debianPackage: string): Sight {
  const found = which(file)
  return {
    name,
    need: 'sandbox',
    ok: found !== undefined,
    detail: found ?? `no ${file}`,
    fix: `apt-get install ${debianPackage}`,
  }
}

/** The programs that the sandbox's machines are made of. */
export const sandboxPrograms = (): Sight[] => [
  program('sshd', 'sshd', 'openssh-server'),
  program('pebble', 'pebble', 'pebble'),
  program('iproute2', 'ip', 'iproute2'),
]

/** nginx with Lua: the modules must be here and fit this nginx, so a configuration with them is tested. */
export async function nginx(): Promise<Sight> {
  const about = { name: 'nginx with Lua', need: 'sandbox' } as const
  const found = which('nginx')
  if (!found) return { ...about, ok: false, detail: 'no nginx', fix: `apt-get install ${NGINX_PACKAGES}` }
  const scratch = mkdtempSync(path.join(tmpdir(), 'lazarus-doctor-'))
  try {
    writeFileSync(path.join(scratch, 'nginx.conf'), CONFIGURATION)
    const { ok, text } = await ask(found, ['-t', '-q', '-p', scratch, '-c', 'nginx.conf', '-e', 'stderr'])
    if (!ok) return { ...about, ok, detail: lastLine(text), fix: `apt-get install ${NGINX_PACKAGES}` }
    const cjson = existsSync(CJSON)
    return { ...about, ok: cjson, detail: cjson ? found : `no ${CJSON}`, fix: 'apt-get install lua-cjson' }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const NGINX_PACKAGES = 'nginx libnginx-mod-http-lua lua-cjson'
const CONFIGURATION = `
load_module ${MODULES}/ndk_http_module.so;
load_module ${MODULES}/ngx_http_lua_module.so;
pid nginx.pid;
events {}
http { access_log off; lua_package_path ";;"; server { listen 127.0.0.1:1; access_by_lua_block { return } } }
`

/** Namespaces and overlay mounts, tried: containers often forbid one of them. */
export async function namespaces(user = process.getuid?.()): Promise<Sight> {
  const about = { name: 'namespaces', need: 'sandbox' } as const
  if (user !== 0) return { ...about, ok: false, detail: 'not root', fix: 'run the sandbox as root' }
  const script =
    'mount -t tmpfs t "$1" && mkdir "$1/u" "$1/w" "$1/m" && mount -t overlay o -o "lowerdir=/,upperdir=$1/u,workdir=$1/w" "$1/m"'
  const scratch = mkdtempSync(path.join(tmpdir(), 'lazarus-doctor-'))
  try {
    const flags = ['--mount', '--net', '--pid', '--fork', '--uts', '--ipc']
    const { ok, text } = await ask('unshare', [...flags, 'sh', '-c', script, 'sh', scratch])
    const detail = ok ? 'mount, net, pid, uts, ipc and overlay work' : lastLine(text)
    return { ...about, ok, detail, fix: 'use a virtual machine or a privileged container' }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** Terraform or tofu and the provider's plugin, and what it means when one is not here. */
export async function terraform(settings: Pick<Settings, 'LAZARUS_TERRAFORM'>): Promise<Sight> {
  const about = { name: 'terraform', need: 'optional' } as const
  if (settings.LAZARUS_TERRAFORM === 'none')
    return { ...about, ok: true, detail: 'LAZARUS_TERRAFORM=none: the provider is called directly' }
  try {
    const binary = await findBinary(settings.LAZARUS_TERRAFORM)
    if (!binary) return { ...about, ok: false, detail: 'none: the provider is called directly', fix: INSTALL }
    const plugin = await findPlugin(binary)
    const title = `${binary.name} ${binary.version}`
    if (plugin)
      return { ...about, ok: true, detail: `${title}, plugin hetznercloud/hcloud ${plugin.version}` }
    return {
      ...about,
      ok: false,
      detail: `${title}, without the plugin hetznercloud/hcloud: enough for the sandbox, not for Hetzner Cloud`,
      fix: 'docs/terraform.md says how to install the plugin; or set LAZARUS_TERRAFORM=none',
    }
  } catch (error) {
    return { ...about, need: 'up', ok: false, detail: messageOf(error), fix: INSTALL }
  }
}

const INSTALL = 'install OpenTofu (https://opentofu.org) or Terraform'

/** What a real cloud asks for; the sandbox brings its own. */
export function credentials(settings: Settings): Sight {
  const wanted = ['HCLOUD_TOKEN', 'CLOUDFLARE_API_TOKEN', 'LAZARUS_ZONE'] as const
  const absent = wanted.filter(name => !settings[name])
  return {
    name: 'provider tokens',
    need: 'optional',
    ok: absent.length === 0,
    detail:
      absent.length === 0
        ? 'set'
        : `not set: ${absent.join(', ')}; needed for a real cloud, not for the sandbox`,
    fix: 'README.md, "From the sandbox to a real cloud"',
  }
}

/** What only `make test` needs. */
export function testPrograms(): Sight[] {
  const packages = { chromium: 'chromium', luajit: 'luajit2', luacheck: 'lua-check', busted: 'lua-busted' }
  return Object.entries(packages).map(([file, debianPackage]) => ({
    ...program(file, file, debianPackage),
    need: 'tests' as const,
  }))
}
