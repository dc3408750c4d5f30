import { defineSchedule } from '../core/define-schedule.js'
import { renew } from '../workflows/requests.js'

export const certificatesRenew = defineSchedule({
  name: 'certificates.renew',
  summary: 'Renews certificates that have a third of their life left.',
  every: '1h',
  uses: ['fleet', 'clock'],

  async run({ ports: { fleet, clock }, start }) {
    const runs: string[] = []
    for (const node of await fleet.certificatesDue(clock.now())) {
      const run = await start(renew(node))
      if (run !== null) runs.push(run)
    }
    return { runs }
  },
})
