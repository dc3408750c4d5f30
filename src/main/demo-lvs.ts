import { lvsObstacles } from '../adapters/sandbox/lvs/requirements.js'
import { Fatal } from '../core/errors.js'
import { type DemoOptions, untilAborted } from './demo.js'
import { breakOne, drainOne, loseOne, rollBack, serve } from './demo-lvs-acts.js'
import { lvsMessages } from './demo-lvs-messages.js'
import { startBalancers } from './demo-lvs-world.js'
import { demoMessages } from './demo-messages.js'
import { startWorld } from './demo-world.js'

/** What was seen; the last line of `--json`. */
export interface LvsDemoSummary {
  balancers: number
  /** A client was served over both balancers. */
  served: boolean
  /** And over one, when the other had lost its power. */
  failedOver: boolean
  /** A balancer took itself back from a change that did not serve. */
  reverted: boolean
  rolledBack: boolean
  /** A host was drained without a lost request. */
  drained: boolean
  seconds: number
}

const SIZE = { balancers: 2, hosts: 2 }
/** Enough for a change that serves; one that does not is not waited for longer. */
const PACE = { LAZARUS_BALANCER_PATIENCE: '20s', LAZARUS_BALANCER_STEADY: '3s' }

/**
 * Makes a cluster of two real balancers, cuts the power of one, breaks a change on purpose, rolls back, drains a
 * host. Whatever happens, nothing is left behind. Throws `Fatal` with the reason when something is not as it should
 * be, and with what is missing where it cannot run.
 */
export async function runLvsDemo(
  options: Omit<DemoOptions, 'report'> & { report: (summary: LvsDemoSummary) => void },
): Promise<void> {
  const { output, once, report, signal } = options
  const text = lvsMessages(options.language)
  const common = demoMessages(options.language)
  const begun = Date.now()
  const say = (line: string): void => output.say(line)
  say(text.title)
  const obstacles = await lvsObstacles()
  if (obstacles.length > 0) throw new Fatal('unavailable', text.unavailable(obstacles.join('; ')))
  say(text.starting)
  const world = await startWorld(PACE)
  let close = world.close
  let summary: LvsDemoSummary
  try {
    signal.throwIfAborted()
    say(text.booting(SIZE.balancers, SIZE.hosts))
    const lvs = await startBalancers(world, SIZE)
    close = async () => {
      await lvs.close()
      await world.close()
    }
    signal.throwIfAborted()
    const stage = { world, lvs, text, output, say, signal }
    say(text.addresses(world.api.url))
    say(text.token(world.adminToken))
    await serve(stage)
    await loseOne(stage)
    await breakOne(stage)
    await rollBack(stage)
    await drainOne(stage)
    const seconds = Math.round((Date.now() - begun) / 100) / 10
    const seen = { served: true, failedOver: true, reverted: true, rolledBack: true, drained: true }
    summary = { balancers: SIZE.balancers, ...seen, seconds }
    say(text.summary(seconds))
    if (!once) {
      report(summary)
      say(text.staying)
      await untilAborted(signal)
    }
  } finally {
    say(common.ending)
    await close()
    say(common.ended)
  }
  if (once) report(summary)
}
