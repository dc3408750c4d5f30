import { defineSchedule } from '../core/define-schedule.js'

export const samplesDownsample = defineSchedule({
  name: 'samples.downsample',
  summary:
    'Sums up the statistics of nodes for pools, services and the fleet, and minutes to hours and days.',
  every: '30s',
  uses: ['upkeep', 'clock'],

  async run({ ports: { upkeep, clock } }) {
    await upkeep.downsample(clock.now())
    return {}
  },
})
