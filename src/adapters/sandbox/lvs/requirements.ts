import { execFile } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { missingOf } from '../requirements.js'
import { programEnvironment } from '../run.js'

/** Each program that a world of balancers runs, and the Debian package that has it. */
const PROGRAMS: Record<string, string> = {
  ip: 'iproute2',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  'linux.uml': 'user-mode-linux',
  modprobe: 'kmod',
  keepalived: 'keepalived',
  ipvsadm: 'ipvsadm',
  'iptables-legacy-restore': 'iptables',
  vtysh: 'frr',
  sshd: 'openssh-server',
  nginx: 'nginx',
  curl: 'curl',
  openssl: 'openssl',
}
const SHARED = '/dev/shm'
/** Megabytes, for two balancers. */
const ENOUGH = 320
const TUN = '/dev/net/tun'
const PROBE_MS = 10_000

/** Why a world of balancers cannot be raised here, in words for people; empty: it can. */
export async function lvsObstacles(): Promise<string[]> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return [`it needs Linux on x86-64, for user-mode-linux; this is ${process.platform} on ${process.arch}`]
  if (process.getuid?.() !== 0) return ['it needs root, to make network namespaces and mounts']
  const missing = missingOf(PROGRAMS)
  if (missing.length > 0)
    return [`programs are missing: bin/setup --lvs, or apt-get install ${missing.join(' ')}`]
  const found = [tunObstacle(), memoryObstacle(), await kernelObstacle()]
  return found.filter(each => each !== null)
}

function tunObstacle(): string | null {
  try {
    closeSync(openSync(TUN, 'r+'))
    return null
  } catch (error) {
    const why = existsSync(TUN) ? String(error) : 'it is not there'
    return `${TUN} cannot be opened (${why}): load the module tun, or give the container that device`
  }
}

/** The memory of a user-mode kernel is a file there. */
function memoryObstacle(): string | null {
  const { bavail, bsize } = statfsSync(SHARED)
  const free = Math.floor((bavail * bsize) / 2 ** 20)
  return free >= ENOUGH
    ? null
    : `${SHARED} has ${free} MB left, and balancers need ${ENOUGH}: give the container more shared memory`
}

/** A user-mode kernel traces its processes: it is started without a disk, and must come as far as to say its version. */
async function kernelObstacle(): Promise<string | null> {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-uml-'))
  try {
    const said = await firstWords(['mem=64M', `uml_dir=${directory}/`, 'con=null', 'con0=null,fd:1'])
    if (said.includes('Linux version')) return null
    return `a user-mode kernel does not start, as where ptrace is forbidden: ${said.trim().slice(-300) || 'it said nothing'}`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What the kernel says until it finds that it has no disk. */
function firstWords(argv: string[]): Promise<string> {
  const options = { env: programEnvironment(), timeout: PROBE_MS, killSignal: 'SIGKILL' as const }
  return new Promise(resolve => {
    execFile('linux.uml', argv, options, (_, stdout, stderr) => resolve(`${stdout}${stderr}`))
  })
}
