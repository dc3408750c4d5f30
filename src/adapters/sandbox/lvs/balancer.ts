import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Lb } from '../../../render/lvs/cluster-schema.js'
import { generateSshKey } from '../../ssh/keys.js'
import { saysSsh } from '../machines/machine.js'
import type { BalancerAddresses } from './addresses.js'
import { lvsAsset } from './assets.js'
import { lastWords, pidOf, type Stage } from './stage.js'

const MEMORY = 128
const BOOT_MS = 60_000

/** A balancer: a user-mode Linux with IPVS, keepalived and FRR, cabled to the router and to the inside. */
export class Balancer {
  /** `ssh-ed25519 AAAA...` */
  readonly hostKey: string
  /** `pid`: of its first process, as the stage sees it. */
  private guest: { child: ChildProcess; pid: number; ended: Promise<unknown> } | null = null

  private constructor(
    readonly name: string,
    readonly addresses: BalancerAddresses,
    private readonly stage: Stage,
    private readonly files: string,
    hostKey: string,
  ) {
    this.hostKey = hostKey
  }

  /** Cables a balancer and lays out what is its own below `directory`. It is off until `start`. */
  static async make(
    stage: Stage,
    { name, addresses, directory, authorizedKeys }: BalancerPlan,
  ): Promise<Balancer> {
    const { privateKey, publicKey } = generateSshKey('')
    const files = join(directory, name)
    const put = (path: string, content: string, mode = 0o644) => {
      mkdirSync(dirname(join(files, path)), { recursive: true, mode: 0o755 })
      writeFileSync(join(files, path), content, { mode })
    }
    put('etc/lazarus/init.sh', readFileSync(lvsAsset('init.sh'), 'utf8'), 0o755)
    put('etc/lazarus/network', network(name, addresses))
    put('etc/lazarus/sshd_config', SSHD)
    put('etc/lazarus/host_key', privateKey, 0o600)
    put('etc/lazarus/authorized_keys', authorizedKeys.map(key => `${key}\n`).join(''), 0o600)
    await stage.batch(cables(name, addresses))
    return new Balancer(name, addresses, stage, files, publicKey)
  }

  /** Switches it on and waits until its sshd answers. What was on its disk is there again. */
  async start(): Promise<void> {
    if (this.guest) return
    const argv = ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'bash', lvsAsset('guest.sh')]
    const child = this.stage.spawn([...argv, this.name, String(MEMORY), this.files, this.addresses.mac])
    const words = lastWords(child)
    const ended = once(child, 'close').catch(String)
    const pid = await pidOf(child, ended, `balancer ${this.name}`)
    this.guest = { child, pid, ended }
    const deadline = Date.now() + BOOT_MS
    while (!(await saysSsh(this.addresses.inside))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        await this.kill()
        throw new Error(`balancer ${this.name} does not answer by SSH: ${words()}`)
      }
      await pause(50)
    }
  }

  /** Cuts its power: the links of the router go down with it. */
  async kill(): Promise<void> {
    const { guest } = this
    this.guest = null
    if (!guest) return
    if (guest.child.exitCode === null) await this.stage.run(['kill', '-9', String(guest.pid)])
    await guest.ended
  }

  /** What a cluster says of it. */
  get lbinfo(): Lb {
    const { inside, locals, outside, gateway, ospfnet } = this.addresses
    return {
      hostname: this.name,
      internalip: inside,
      internalnetmask: '255.255.255.0',
      internalgateway: inside.replace(/\d+$/, '1'),
      extraip: outside,
      extranetmask: '255.255.255.252',
      extragateway: gateway,
      ospfnet,
      routerid: outside,
      localips: [`${locals[0]}-${locals.at(-1)?.split('.').at(-1)}`],
      dialect: 'keepalived',
      routing: 'frr',
      ssh: { hostKey: this.hostKey },
    }
  }
}

export interface BalancerPlan {
  name: string
  addresses: BalancerAddresses
  /** Where its own files are laid out. */
  directory: string
  /** Who may log in as root, as in `authorized_keys`. */
  authorizedKeys: readonly string[]
}

const SSHD = `HostKey /etc/lazarus/host_key
AuthorizedKeysFile /etc/lazarus/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
Subsystem sftp internal-sftp
`

const network = (name: string, { inside, locals, outside, gateway }: BalancerAddresses): string =>
  `NAME=${name}
OUTSIDE=${outside}/30
INSIDE=${inside}/24
GATEWAY=${gateway}
LOCALS='${locals.join(' ')}'
`

/** Its two cables: one straight to the router, one to the switch. */
const cables = (name: string, { gateway }: BalancerAddresses): string[] => [
  `tuntap add ${name} mode tap`,
  `address add ${gateway}/30 dev ${name}`,
  `link set ${name} up`,
  `tuntap add ${name}-in mode tap`,
  `link set ${name}-in master switch`,
  `link set ${name}-in up`,
]
