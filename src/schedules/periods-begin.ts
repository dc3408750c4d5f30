import { defineSchedule } from '../core/define-schedule.js'

export const periodsBegin = defineSchedule({
  name: 'periods.begin',
  summary: 'Begins the traffic period of users anew whose day or month (UTC) is over, and tells the edges.',
  every: '30s',
  uses: ['upkeep', 'clock'],

  run: async ({ ports: { upkeep, clock } }) => ({ begun: await upkeep.beginPeriods(clock.now()) }),
})
