import { Gauge, type Registry } from 'prom-client'
import type { Db } from '../store/client.js'
import { type BalancerFigures, readFigures } from '../store/lvs-figures.js'

type Sample = { labels: Record<string, string>; value: number }

/**
 * What balancers did at the last look. Labels are names of our documents: a balancer makes up none. There is one
 * series a balancer, and one a VIP (not one for each VIP on each balancer).
 */
export function addBalancerGauges(
  registry: Registry,
  db: Db,
  once: <T>(read: () => Promise<T>) => () => Promise<T>,
): void {
  const read = once(() => readFigures(db))
  const gauge = (
    name: string,
    help: string,
    label: 'balancer' | 'vip',
    samples: (all: BalancerFigures[]) => Sample[],
  ) =>
    new Gauge({
      ...{ name: `lazarus_lvs_${name}`, help, labelNames: ['cluster', label], registers: [registry] },
      async collect() {
        const found = samples(await read())
        this.reset()
        for (const { labels, value } of found) this.set(labels, value)
      },
    })
  const balancer = (name: string, help: string, value: (each: BalancerFigures) => number | null) =>
    gauge(`balancer_${name}`, help, 'balancer', all =>
      all.flatMap(each => {
        const found = value(each)
        return found === null
          ? []
          : [{ labels: { cluster: each.cluster, balancer: each.hostname }, value: found }]
      }),
    )
  balancer('reached', '1 when the last look reached the balancer.', each => Number(each.reached))
  balancer('seen_seconds', 'When the balancer was last reached, seconds since 1970.', each => each.seenAt)
  balancer('drained', '1 when its routers prefer others.', each => Number(each.drained))
  balancer('gaps', 'In how much it differs from what it should do.', each => each.gaps)
  balancer('neighbours', 'OSPF neighbours that are Full.', each => each.figures?.neighbours ?? null)
  balancer('connections', 'Connections through all its services.', each => each.figures?.active ?? null)
  const vip = (name: string, help: string, value: (each: VipSum) => number) =>
    gauge(`vip_${name}`, help, 'vip', all =>
      sumsOf(all).map(each => ({ labels: { cluster: each.cluster, vip: each.vip }, value: value(each) })),
    )
  vip(
    'balancers',
    'Reached balancers on which the VIP stands and which have a neighbour.',
    each => each.balancers,
  )
  vip('hosts', 'Hosts that take new connections, in its weakest service on any of them.', each => each.hosts)
  vip('connections', 'Connections of the VIP through all balancers.', each => each.connections)
}

interface VipSum {
  cluster: string
  vip: string
  balancers: number
  hosts: number
  connections: number
}

/** Balancers that are not reached count for nothing: what they did is not what they do. */
function sumsOf(all: readonly BalancerFigures[]): VipSum[] {
  const sums = new Map<string, VipSum>()
  for (const { cluster, reached, figures } of all)
    for (const { vip, standing, hosts, active } of figures?.vips ?? []) {
      const sum = sums.get(vip) ?? {
        cluster,
        vip,
        balancers: 0,
        hosts: Number.POSITIVE_INFINITY,
        connections: 0,
      }
      sums.set(vip, sum)
      if (!reached) continue
      sum.connections += active
      if (!standing || figures?.neighbours === 0) continue
      sum.balancers += 1
      sum.hosts = Math.min(sum.hosts, hosts)
    }
  return [...sums.values()].map(sum => ({ ...sum, hosts: sum.balancers === 0 ? 0 : sum.hosts }))
}
