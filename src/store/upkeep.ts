import type { Upkeep } from '../ports/upkeep.js'
import { trimAccessLog } from './access.js'
import type { Db } from './client.js'
import { forgetDenials } from './denials.js'
import { downsample, forgetSamples } from './samples.js'
import { forgetSessions } from './sessions.js'
import { beginDuePeriods, forgetUsage } from './usage.js'

/** The books over the tables. */
export const createUpkeep = (db: Db): Upkeep => ({
  beginPeriods: now => beginDuePeriods(db, now),
  downsample: now => downsample(db, now),
  async forget(now) {
    return {
      changes: await trimAccessLog(db),
      denials: await forgetDenials(db, now),
      samples: await forgetSamples(db, now),
      sessions: await forgetSessions(db, now),
      ...(await forgetUsage(db, now)),
    }
  },
})
