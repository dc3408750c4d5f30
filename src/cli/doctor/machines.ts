import { existsSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findBinary, findPlugin } from '../../adapters/hcloud/discover.js'
import { missingPackages } from '../../adapters/sandbox/requirements.js'
import type { Settings } from '../../config/env.js'
import { messageOf } from '../../core/errors.js'
import type { Sight } from './finding.js'
import { ask, lastLine, which } from './programs.js'

const MODULES = '/usr/lib/nginx/modules'
const CJSON = '/usr/share/lua/5.1/cjson/util.lua'

/** The programs that the sandbox's machines are made of. */
export function sandboxPrograms(): Sight {
  const missing = missingPackages()
  const fix = `apt-get install ${missing.join(' ')}`
  const detail = missing.length === 0 ? 'all here' : `missing: ${missing.join(', ')}`
  return { name: 'sandbox programs', need: 'sandbox', ok: missing.length === 0, detail, fix }
}

/** nginx with Lua: the modules must be here and fit this nginx, so a configuration with them is tested. */
export async function nginx(): Promise<Sight> {
  const about = { name: 'nginx with Lua', need: 'sandbox' } as const
  const found = which('nginx')
  if (!found) return { ...about, ok: false, detail: 'no nginx', fix: `apt-get install ${NGINX_PACKAGES}` }
  const scratch = mkdtempSync(path.join(tmpdir(), 'lazarus-doctor-'))
  try {
    writeFileSync(path.join(scratch, 'nginx.conf'), CONFIGURATION)
    const { ok, text } = await ask(found, ['-t', '-q', '-p', scratch, '-c', 'nginx.conf', '-e', 'stderr'])
    if (!ok) return { ...about, ok, detail: complaint(text), fix: `apt-get install ${NGINX_PACKAGES}` }
    const cjson = existsSync(CJSON)
    return { ...about, ok: cjson, detail: cjson ? found : `no ${CJSON}`, fix: 'apt-get install lua-cjson' }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The line in which nginx says why. */
const complaint = (text: string): string =>
  text.split('\n').find(line => line.includes('[emerg]')) ?? lastLine(text)

const NGINX_PACKAGES = 'nginx libnginx-mod-http-lua lua-cjson'
const CONFIGURATION = `
load_module ${MODULES}/ndk_http_module.so;
load_module ${MODULES}/ngx_http_lua_module.so;
pid nginx.pid;
events {}
http { access_log off; lua_package_path ";;"; server { listen 127.0.0.1:1; access_by_lua_block { return } } }
`

/** Whether the disks of machines can lie where the data is: an overlay cannot lie on an overlay. */
export function machineDisks(dataDir: string): Sight {
  const ok = statfsSync(dataDir).type !== OVERLAYFS_MAGIC
  const detail = ok ? dataDir : `${dataDir} lies on an overlay, as in a container`
  return {
    name: 'machine disks',
    need: 'sandbox',
    ok,
    detail,
    fix: 'set LAZARUS_DATA to a directory on a volume or below /dev/shm',
  }
}
const OVERLAYFS_MAGIC = 0x794c7630

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
    const detail = `${title}, but not its plugin hetznercloud/hcloud`
    const fix =
      'install the plugin (docs/terraform.md), or set LAZARUS_TERRAFORM=none to call the provider directly'
    return { ...about, need: 'cloud', ok: false, detail, fix }
  } catch (error) {
    return { ...about, need: 'all', ok: false, detail: messageOf(error), fix: INSTALL }
  }
}

const INSTALL = 'install OpenTofu (https://opentofu.org) or Terraform'

/** What a real cloud asks for; the sandbox brings its own. */
export function credentials(settings: Settings): Sight {
  const absent = (['HCLOUD_TOKEN', 'CLOUDFLARE_API_TOKEN'] as const).filter(name => !settings[name])
  return {
    name: 'provider tokens',
    need: 'cloud',
    ok: absent.length === 0,
    detail: absent.length === 0 ? 'set' : `not set: ${absent.join(', ')}`,
    fix: 'set them for a real cloud, or use the sandbox: lazarus up --sandbox',
  }
}

/** What only `make test` needs. */
export function testPrograms(): Sight[] {
  const packages = { chromium: 'chromium', luajit: 'luajit2', luacheck: 'lua-check', busted: 'lua-busted' }
  return Object.entries(packages).map(([program, debianPackage]) => ({
    name: program,
    need: 'tests',
    ok: which(program) !== undefined,
    detail: which(program) ?? `no ${program}`,
    fix: `apt-get install ${debianPackage}`,
  }))
}
