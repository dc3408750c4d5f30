import { defineSchedule } from '../core/define-schedule.js'

export const recordsForget = defineSchedule({
  name: 'records.forget',
  summary: 'Drops statistics, refusals, sessions, usage and changes that are kept no longer.',
  every: '10m',
  uses: ['upkeep', 'clock'],

  run: ({ ports: { upkeep, clock } }) => upkeep.forget(clock.now()),
})
