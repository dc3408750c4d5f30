import { defineSchedule, type ScheduleContext } from '../core/define-schedule.js'
import type { DriftingNode } from '../ports/services.js'
import { publish, repush } from '../workflows/requests.js'

/** Media hosts look every 30 s, and take a while to apply: so long after a change they count as late, milliseconds. */
const HOST_GRACE = 5 * 60_000
/** A node hears of a version with its next beat; so many missed beats later it has drifted, but never at once. */
const LEAST_GRACE = 30_000

type Context = ScheduleContext<'services' | 'notices' | 'clock' | 'settings'>

/** By what nodes report, not by what they were told: whatever made the difference, it is found here. */
export const nodesDrift = defineSchedule({
  name: 'nodes.drift',
  summary:
    'Finds nodes and media hosts that have another configuration than they should, tells it once, and pushes.',
  every: '10s',
  uses: ['services', 'notices', 'clock', 'settings'],

  async run(ctx) {
    const { services, clock, settings } = ctx.ports
    const now = clock.now()
    const ago = (ms: number) => new Date(now.getTime() - ms)
    const grace = Math.max(LEAST_GRACE, settings.heartbeatInterval * settings.missedBeats * 1000)
    await services.settleHosts(now)
    const nodes = await services.drifting(now, ago(grace))
    for (const node of nodes) await tellNode(ctx, node)
    const hosts = await services.driftingHosts(ago(HOST_GRACE))
    for (const { service, host, version, error } of hosts)
      await ctx.ports.notices.tell({
        once: `host-drift:${service}:${host}:${version}`,
        kind: 'config-drift',
        subject: host,
        text: `${host} has not applied version ${version} of ${service}${error === null ? '' : `: ${error.slice(0, 500)}`}`,
      })
    return { nodes: nodes.map(each => each.node), hosts: hosts.length, runs: await push(ctx, nodes) }
  },
})

async function tellNode({ ports }: Context, { node, desired, reported, stale }: DriftingNode): Promise<void> {
  const text = stale
    ? `${node} has an older snapshot of its service than the one in force: it is brought up to date`
    : `${node} reports configuration ${short(reported)} instead of ${short(desired)}: it is told again`
  await ports.notices.tell({
    once: `node-drift:${node}:${desired}:${reported}`,
    ...{ kind: 'config-drift', subject: node, text },
  })
}

/** What is out of date is rendered anew; what is merely not in force is published as it is. */
async function push({ start }: Context, nodes: readonly DriftingNode[]): Promise<string[]> {
  const stale = nodes.filter(each => each.stale).map(each => each.node)
  const requests = [
    ...(stale.length > 0 ? [publish(stale)] : []),
    ...nodes.filter(each => !each.stale).map(each => repush(each.node, each.desired)),
  ]
  const runs: string[] = []
  for (const request of requests) {
    const run = await start(request)
    if (run !== null) runs.push(run)
  }
  return runs
}

const short = (version: string | null): string => version?.slice(0, 12) ?? 'none'
