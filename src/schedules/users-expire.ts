import { defineSchedule } from '../core/define-schedule.js'

/** The gates know every end and refuse by themselves from then on; this only marks what has happened. */
export const usersExpire = defineSchedule({
  name: 'users.expire',
  summary: 'Marks users whose time has ended, once.',
  every: '30s',
  uses: ['fleet', 'clock'],

  async run({ ports: { fleet, clock } }) {
    return { expired: await fleet.markLapsed(clock.now()) }
  },
})
