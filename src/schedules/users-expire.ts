import { defineSchedule } from '../core/define-schedule.js'
import { publish } from '../workflows/requests.js'

/** The gate itself refuses an expired token at once; this takes it off the lists and marks it. */
export const usersExpire = defineSchedule({
  name: 'users.expire',
  summary: 'Marks users whose time has ended, once, and publishes the list without them.',
  every: '30s',
  uses: ['fleet', 'clock'],

  async run({ ports: { fleet, clock }, start }) {
    const now = clock.now()
    const ids = await fleet.lapsed(now)
    if (ids.length === 0) return { expired: [], run: null }
    const nodes = await fleet.publishable()
    // Published before it is marked: after a crash in between it is published again, which changes nothing.
    const run = nodes.length > 0 ? await start(publish(nodes)) : null
    await fleet.markExpired(ids, now)
    return { expired: ids, run }
  },
})
