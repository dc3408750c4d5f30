import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { searchPath } from './run.js'

/** Each program that the sandbox runs, and the Debian package that has it. */
const PROGRAMS: Record<string, string> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  pivot_root: 'util-linux',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  nginx: 'nginx',
  v2ray: 'v2ray',
  'redis-server': 'redis-server',
  pebble: 'pebble',
  openssl: 'openssl',
  'apt-get': 'apt',
  'dpkg-deb': 'dpkg',
}
/** Files that machines need at these very places. */
const FILES: Record<string, string> = {
  '/usr/lib/nginx/modules/ngx_http_lua_module.so': 'libnginx-mod-http-lua',
  '/usr/bin/python3': 'python3-minimal',
}
const OVERLAYFS_MAGIC = 0x794c7630

/** Thrown when the sandbox cannot run here; the message says what to do. */
export class SandboxUnavailable extends Error {
  override readonly name = 'SandboxUnavailable'
  readonly code = 'sandbox-unavailable'
}

/** What is missing here for a sandbox: Debian packages by name. */
export function missingPackages(): string[] {
  const files = Object.entries(FILES).filter(([file]) => !existsSync(file))
  return [...new Set([...missingOf(PROGRAMS), ...files.map(([, debian]) => debian)])].sort()
}

/** The Debian packages (by program that they have) of which the program is not here. */
export const missingOf = (programs: Record<string, string>): string[] => [
  ...new Set(
    Object.entries(programs)
      .filter(([program]) => !onPath(program))
      .map(([, debian]) => debian),
  ),
]

/** Throws `SandboxUnavailable` unless this user can raise machines on this host. */
export function checkHost(): void {
  if (process.platform !== 'linux') {
    throw new SandboxUnavailable('the sandbox needs Linux: its machines are namespaces')
  }
  if (process.getuid?.() !== 0) {
    throw new SandboxUnavailable(
      'the sandbox needs root, to make network namespaces and mounts: run it with sudo',
    )
  }
  const missing = missingPackages()
  if (missing.length > 0) {
    throw new SandboxUnavailable(`programs are missing: apt-get install -y ${missing.join(' ')}`)
  }
}

/** Throws `SandboxUnavailable` when machines cannot have their disks in `directory`. */
export function checkDirectory(directory: string): void {
  if (statfsSync(directory).type !== OVERLAYFS_MAGIC) return
  throw new SandboxUnavailable(
    `${directory} lies on an overlay, as in a container, where machines cannot have their disks: name a directory on a volume or below /dev/shm with --data`,
  )
}

function onPath(program: string): boolean {
  return searchPath()
    .split(':')
    .some(directory => directory !== '' && isExecutable(join(directory, program)))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
