import { planRun } from '../../../src/core/plan.js'
import type { Cluster } from '../../../src/render/lvs/cluster-schema.js'
import { type SyncPlan, syncInput } from '../../../src/workflows/cluster-requests.js'
import { clusterSync } from '../../../src/workflows/cluster-sync.js'
import { fakeWorld, type World } from '../fake-ports.js'
import { runPlan } from '../run-plan.js'
import { clusterHosts, clusterOf, type FakeBalancer, fakeBalancers } from './fake-balancers.js'

/** A cluster of three balancers in a world in memory, and what operators do to it. */
export interface PushWorld {
  world: World
  cluster: Cluster
  balancers: Map<string, FakeBalancer>
  at: (hostname: string) => FakeBalancer
  /** Writes the cluster as the next document. */
  write: (change: string, cluster?: Cluster) => Promise<void>
  /** Syncs a change; `meanwhile` is called while a step waits, after which 30 s have passed. */
  sync: (
    change: string,
    policy: SyncPlan['policy'],
    more?: Partial<SyncPlan> & { meanwhile?: () => void },
  ) => ReturnType<typeof runPlan>
  record: (hostname: string) => NonNullable<ReturnType<World['clusters']['rows']['get']>>
}

/** A world with a cluster `inner` of so many balancers, of which nothing has been written yet. */
export function pushWorld(balancers = 3): PushWorld {
  const world = fakeWorld()
  const cluster = clusterOf(balancers)
  for (const [host, address] of clusterHosts()) world.resolver.hosts.set(host, address)
  const found = fakeBalancers(world, cluster)
  const get = <T>(map: Map<string, T>, name: string): T => {
    const value = map.get(name)
    if (value === undefined) throw new Error(`there is no ${name}`)
    return value
  }
  return {
    ...{ world, cluster, balancers: found },
    at: hostname => get(found, hostname),
    record: hostname => get(world.clusters.rows, hostname),
    async write(change, next = cluster) {
      const newest = await world.clusters.get(next.name)
      const hosts = new Map(
        next.vip2ws.flatMap(vip => vip.wss.map(ws => [ws, clusterHosts().get(ws) ?? ''] as const)),
      )
      const document = { cluster: next, hosts, after: newest?.version ?? 0, change, actor: 'ops', note: '' }
      if ((await world.clusters.write(document)) !== 'written') throw new Error('not written')
    },
    sync: (change, policy, { meanwhile = () => undefined, ...more } = {}) => {
      const lbs = cluster.lbinfos.map(lb => lb.hostname)
      const plan = planRun(
        clusterSync,
        syncInput({ ...{ cluster: cluster.name, change, policy, lbs, watchSeconds: 60 }, ...more }),
      )
      return runPlan(plan, world, () => {
        meanwhile()
        world.clock.time = new Date(world.clock.time.getTime() + 30_000)
      })
    },
  }
}
