import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { run } from '../run.js'
import { layersOf } from './base.js'
import { readUserData } from './cloud-init.js'
import type { MachinePlan } from './driver.js'

/** How a machine is known on the network, for the files that say so. */
export interface Identity {
  ipv4: string
  resolver: string
}

/**
 * Lays out a machine's directory: the writable layers of its disk, and `fstab` with what is mounted. At the first
 * boot the user data is applied. Returns the host name.
 */
export async function prepareDisk(directory: string, plan: MachinePlan, identity: Identity): Promise<string> {
  const applied = join(directory, 'user-data-applied')
  // A first boot that was cut short begins again from an empty disk.
  if (!existsSync(applied)) rmSync(directory, { recursive: true, force: true })
  // What an overlay keeps for itself while mounted; after a crash it would refuse the next mount.
  for (const path of ['root-work', 'usr-work', 'root/run', 'root/tmp']) {
    rmSync(join(directory, path), { recursive: true, force: true })
  }
  for (const path of ['fs', 'root', 'root-work', 'usr', 'usr-work']) {
    mkdirSync(join(directory, path), { recursive: true, mode: 0o755 })
  }
  for (const path of ['root/run/sshd', 'root/run/sandbox'])
    mkdirSync(join(directory, path), { recursive: true })
  writeFileSync(join(directory, 'fstab'), fstab(plan))
  const config = readUserData(plan.userData)
  const hostname = config?.hostname ?? plan.name
  if (!existsSync(applied)) {
    await applyUserData(directory, plan, identity, hostname)
    writeFileSync(applied, '')
  }
  return hostname
}

async function applyUserData(
  directory: string,
  plan: MachinePlan,
  { ipv4, resolver }: Identity,
  hostname: string,
): Promise<void> {
  const config = readUserData(plan.userData)
  const put = (path: string, content: string, mode = 0o644) => {
    mkdirSync(dirname(join(directory, 'root', path)), {
      recursive: true,
      mode: path.startsWith('root/') ? 0o700 : 0o755,
    })
    writeFileSync(join(directory, 'root', path), content, { mode })
  }
  put('etc/hostname', `${hostname}\n`)
  put('etc/hosts', `127.0.0.1 localhost\n::1 localhost\n${ipv4} ${hostname}\n`)
  put('etc/resolv.conf', `nameserver ${resolver}\n`)
  const keys = [...plan.authorizedKeys, ...(config?.authorizedKeys ?? [])]
  put('root/.ssh/authorized_keys', keys.map(key => `${key}\n`).join(''), 0o600)
  const hostKey = join(directory, 'root/etc/ssh/ssh_host_ed25519_key')
  if (config?.hostKey) {
    put('etc/ssh/ssh_host_ed25519_key', `${config.hostKey.private.trimEnd()}\n`, 0o600)
    put('etc/ssh/ssh_host_ed25519_key.pub', `${config.hostKey.public.trimEnd()}\n`)
  } else {
    mkdirSync(dirname(hostKey), { recursive: true })
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', hostname, '-f', hostKey])
  }
}

/** Mounts of a machine, relative to its directory. `volatile`: nothing forces writes to the host's disk. */
function fstab(plan: MachinePlan): string {
  const layers = layersOf(plan.image)
  const base = (name: string) => `../../base/${name}`
  const root = layers.root.map(base).join(':')
  const usr = [...layers.usr.map(base), '/usr'].join(':')
  return `overlay ./fs overlay lowerdir=${root},upperdir=root,workdir=root-work,volatile 0 0
overlay ./fs/usr overlay lowerdir=${usr},upperdir=usr,workdir=usr-work,volatile 0 0
proc ./fs/proc proc ro,nosuid,nodev,noexec 0 0
devpts ./fs/dev/pts devpts newinstance,ptmxmode=0666,mode=0620,gid=5 0 0
`
}
