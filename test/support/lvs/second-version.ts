import { lbReload } from '../../../src/jobs/lb-reload.js'
import { lbVerify } from '../../../src/jobs/lb-verify.js'
import { inWorld } from '../run-job.js'
import { type PushWorld, pushWorld } from './push-world.js'

/** What a job of a push is about: a balancer, and the change of its cluster (`c2`: the second version). */
export const target = (lb = 'lb1.hy01', change = 'c2') => ({ cluster: 'inner', change, lb })

const VIP = { vip: '60.28.208.3', wstype: 'apps', wss: ['apps-3.hy01'] }

/** Three balancers that serve version 1; version 2, with one VIP more, is in force on them and not read. */
export interface SecondVersion {
  push: PushWorld
  /** The revisions of version 1 and 2 on lb1.hy01. */
  old: string
  next: string
  /** Lets so many seconds go by. */
  pass(seconds: number): void
  reload(more?: { force?: boolean }, lb?: string): ReturnType<ReturnType<typeof reloadIn>>
  /** Reloads, and answers the look that follows. */
  reloaded(lb?: string): Promise<() => Promise<unknown>>
}

const reloadIn =
  (push: PushWorld) =>
  (more: { force?: boolean } = {}, lb = 'lb1.hy01') =>
    inWorld(lbReload, push.world).run({ ...target(lb), ...more })

/** Writes and pushes both versions; no balancer has been asked for anything since. */
export async function secondVersion(): Promise<SecondVersion> {
  const push = pushWorld()
  await push.write('c1')
  await push.sync('c1', 'rolling')
  const old = push.record('lb1.hy01').good ?? ''
  await push.write('c2', { ...push.cluster, vip2ws: [...push.cluster.vip2ws, VIP] })
  await push.sync('c2', 'manual')
  const next = push.record('lb1.hy01').revision ?? ''
  for (const balancer of push.balancers.values()) balancer.calls.length = 0
  const reload = reloadIn(push)
  return {
    ...{ push, old, next, reload },
    pass(seconds) {
      push.world.clock.time = new Date(push.world.clock.time.getTime() + seconds * 1000)
    },
    async reloaded(lb = 'lb1.hy01') {
      const { at, before, skipped, failed } = await reload({}, lb)
      return () => inWorld(lbVerify, push.world).run({ ...target(lb), since: at, before, skipped, failed })
    },
  }
}
