import path from 'node:path'
import type { Answer, Load } from '../../../src/adapters/sandbox/lvs/client.js'
import { nameHosts } from '../../../src/adapters/sandbox/lvs/names.js'
import { type LvsWorld, startLvsWorld } from '../../../src/adapters/sandbox/lvs/world.js'
import type { Vip } from '../../../src/render/lvs/cluster-schema.js'
import { afterFile } from '../ending.js'
import { until } from '../wait.js'
import { startWorld } from '../world.js'

/** Balancers, router, hosts and client, and a control plane that may log in to the balancers. */
export type ClusterWorld = Awaited<ReturnType<typeof startClusterWorld>>

/** Starts it with two balancers and two hosts. Ends with the test file. `settings` are for the control plane. */
export async function startClusterWorld(settings: Record<string, string> = {}) {
  const world = await startWorld(settings)
  await world.up()
  const description = await world.sandbox.describe()
  const { publicKey } = await world.ok('GET', '/ssh-key')
  const lvs = await startLvsWorld({
    ...{ directory: path.join(world.home, 'lvs'), authorizedKeys: [publicKey], balancers: 2, hosts: 2 },
    joins: Number(description.subnet.split('.')[2]),
  })
  afterFile(lvs.close)
  const { CLOUDFLARE_BASE_URL: url = '', CLOUDFLARE_API_TOKEN: token = '' } = description.settings
  const names = await nameHosts({ url, token }, lvs.hosts)
  return {
    ...world,
    ...lvs,
    /** The name that a host has in the DNS. */
    named: (host: string): string => names[host] ?? host,
    /** Waits until the router knows so many ways to a VIP, and tells between which two moments it came to (ms since 1970). */
    async nextHops(vip: string, count: number, within = LONG.within) {
      let after = Date.now()
      const there = async () => {
        const looked = Date.now()
        if ((await lvs.router.nextHops(vip)).length === count) return true
        after = looked
        return false
      }
      await until(there, { within, what: `${count} next hops to ${vip}` })
      return { after, before: Date.now() }
    },
    /** Which balancers the answers came through. */
    balancersOf: (answers: readonly Answer[]) => new Set(answers.map(({ from }) => balancerOf(lvs, from))),
    /** Asks so often, and wants every answer. */
    answers: (url: string, count = 24) => answersOf(lvs.client.load(url, { atOnce: 4, pause: 0 }), count),
  }
}

const LONG = { within: 60_000 }

const balancerOf = ({ balancers }: LvsWorld, from: string): string =>
  balancers.find(({ addresses }) => addresses.locals.includes(from))?.name ?? from

async function answersOf(load: Load, count: number): Promise<readonly Answer[]> {
  await until(() => load.answers.length >= count, { ...LONG, what: `${count} answers` })
  const answers = await load.stop()
  const lost = answers.filter(({ ok }) => !ok)
  if (lost.length > 0) throw new Error(`${lost.length} of ${answers.length} requests were lost`)
  return answers
}

/** A VIP whose requests are spread over its hosts one by one. */
export const natVip = (vip: string, wss: readonly string[], dport = 8080): Vip => ({
  ...{ vip, wstype: 'apps', kind: 'NAT', scheduler: 'rr', wss: [...wss] },
  ports: [{ sport: 80, dport, persistence_timeout: 0 }],
})
