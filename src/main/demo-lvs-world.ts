import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Balancer } from '../adapters/sandbox/lvs/balancer.js'
import { nameHosts } from '../adapters/sandbox/lvs/names.js'
import { type LvsWorld, startLvsWorld } from '../adapters/sandbox/lvs/world.js'
import { generateSshKey } from '../adapters/ssh/keys.js'
import { createSsh } from '../adapters/ssh/ssh.js'
import { Fatal } from '../core/errors.js'
import type { DemoWorld } from './demo-world.js'

const sandboxSchema = z.object({
  subnet: z.string().regex(/^198\.18\.\d+\.0\/24$/),
  settings: z.object({ CLOUDFLARE_BASE_URL: z.url(), CLOUDFLARE_API_TOKEN: z.string() }),
})
const sshKey = z.object({ publicKey: z.string() })
const WAIT = 60_000

/** A world of balancers beside a control plane that may log in to them. */
export interface BalancerStage extends LvsWorld {
  /** The names of the hosts in the DNS. */
  names: readonly string[]
  /** Runs a command on a balancer and returns what it printed. */
  on(balancer: Balancer, argv: readonly string[]): Promise<string>
  /** Waits until the router has so many ways to a VIP. */
  nextHops(vip: string, count: number, signal: AbortSignal): Promise<void>
}

/** Boots it in the sandbox of a demo. Throws `SandboxUnavailable` with what is missing here. */
export async function startBalancers(
  { api, directory, sandboxUrl }: DemoWorld,
  size: { balancers: number; hosts: number },
): Promise<BalancerStage> {
  const { subnet, settings } = sandboxSchema.parse(await (await fetch(`${sandboxUrl}/_sandbox`)).json())
  const { publicKey } = await api.get('/ssh-key', sshKey)
  const own = generateSshKey('demo')
  const lvs = await startLvsWorld({
    ...size,
    directory: join(directory, 'lvs'),
    authorizedKeys: [publicKey, own.publicKey],
    joins: Number(subnet.split('.')[2]),
  })
  const ssh = createSsh({ identity: async () => own.privateKey })
  const names = await nameHosts(
    { url: settings.CLOUDFLARE_BASE_URL, token: settings.CLOUDFLARE_API_TOKEN },
    lvs.hosts,
  )
  return {
    ...lvs,
    names: Object.values(names),
    async on({ addresses, hostKey }, argv) {
      const host = { address: addresses.inside, port: 22, user: 'root', hostKey }
      const { stdout, stderr, code } = await ssh.exec(
        host,
        argv,
        { timeout: 20_000 },
        AbortSignal.timeout(20_000),
      )
      if (code !== 0) throw new Fatal('command-failed', `${argv[0]}: ${stderr.trim()}`)
      return stdout.trimEnd()
    },
    async nextHops(vip, count, signal) {
      const deadline = Date.now() + WAIT
      while ((await lvs.router.nextHops(vip)).length !== count) {
        if (Date.now() > deadline)
          throw new Fatal('not-seen', `the router has not come to ${count} ways to ${vip}`)
        await pause(50, undefined, { signal })
      }
    },
    async close() {
      await ssh.close()
      await lvs.close()
    },
  }
}
