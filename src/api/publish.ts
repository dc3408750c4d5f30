import { messageOf } from '../core/errors.js'
import { RunConflict } from '../queue/engine.js'
import type { ServiceContent } from '../render/service-schema.js'
import { hostsOf } from '../store/media-hosts.js'
import { openRollouts, rolloutNodes } from '../store/rollouts.js'
import { findRun } from '../store/runs.js'
import type { ServiceView } from '../store/services.js'
import { addSnapshot, getSnapshot, type SnapshotView } from '../store/snapshots.js'
import { type RolloutPlan, rollout, waveSizes } from '../workflows/requests.js'
import type { ApiDeps } from './deps.js'
import type { Call } from './route.js'

interface Pace extends Pick<RolloutPlan, 'waves' | 'ignoreErrors'> {
  note: string
  watchSeconds: number
}
type AnyCall = Pick<Call<unknown, unknown, unknown>, 'deps' | 'caller' | 'runId'>

/** Which nodes and hosts a publication would reach, and in which order. */
export async function previewPublish({ db }: ApiDeps, service: ServiceView) {
  const { ready, absent } = await rolloutNodes(db, { service: service.name })
  const [first, second] = waveSizes(ready.length)
  const nodes = {
    canary: ready.slice(0, first),
    tenth: ready.slice(first, second),
    rest: ready.slice(second),
    absent,
  }
  return { nodes, hosts: await hostsOf(db, service.name, 100) }
}

/**
 * Makes a snapshot, unless the latest says the same already, and starts its rollout. Media hosts pull by themselves,
 * and where no node has to follow, it is in force at once.
 */
export async function publishContent(
  call: AnyCall,
  service: ServiceView,
  content: ServiceContent,
  pace: Pace,
) {
  const { db, ports } = call.deps
  const nodes = await rolloutNodes(db, { service: service.name })
  const inForce = nodes.ready.length + nodes.absent.length === 0
  const latest = service.latest === null ? null : await getSnapshot(db, service.name, service.latest)
  const same = latest !== null && JSON.stringify(latest.content) === JSON.stringify(content)
  if (same && service.current === service.latest) return unneeded(latest)
  const at = ports.clock.now()
  const { name: actor } = call.caller
  const snapshot =
    same && !inForce
      ? latest
      : await addSnapshot(db, { service: service.name, content, actor, note: pace.note, at }, inForce)
  if (inForce) return unneeded(snapshot)
  // Asked again with the same Idempotency-Key after this process died.
  if (await findRun(db, call.runId)) return under(snapshot, call.runId)
  await cancelOthers(call.deps, service.name, snapshot.version)
  const { waves, ignoreErrors, watchSeconds: watch } = pace
  const plan = { service: service.name, snapshot: snapshot.version, ...nodes, waves, ignoreErrors, watch }
  return under(snapshot, await start(call, plan))
}

/** A rollout at work, or one that failed and waits: what it did so far stays, and the new one goes on from there. */
async function cancelOthers({ db, engine }: ApiDeps, service: string, version: number): Promise<void> {
  for (const run of await openRollouts(db, service, version))
    await engine.cancel(run).catch(error => {
      // It has ended meanwhile.
      if (!(error instanceof RunConflict)) throw error
    })
}

/** Null when Redis went just now: the snapshot is stored, and publishing again starts its rollout. */
async function start({ deps, caller, runId }: AnyCall, plan: RolloutPlan): Promise<string | null> {
  try {
    return await deps.engine.start({ ...rollout(plan), actor: caller.name, id: runId })
  } catch (error) {
    deps.log.error(`version ${plan.snapshot} of ${plan.service} is not rolled out yet: ${messageOf(error)}`)
    return null
  }
}

const unneeded = (snapshot: SnapshotView) => ({
  ...{ snapshot: summaryOf(snapshot), run: null },
  rollout: 'not-needed' as const,
})
const under = (snapshot: SnapshotView, run: string | null) => ({
  ...{ snapshot: summaryOf(snapshot), run },
  rollout: run === null ? ('not-started' as const) : ('started' as const),
})
const summaryOf = ({ content: _, ...summary }: SnapshotView) => summary
