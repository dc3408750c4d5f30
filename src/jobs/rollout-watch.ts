import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, WaitFor } from '../core/errors.js'
import { nodeName } from '../core/names.js'

/** Fewer requests than this say nothing about errors. */
const TELLING = 20
/** So much more of all requests may be denied than before: a fifth. */
const RISE = 0.2

const input = z.object({
  service: z.string(),
  snapshot: z.int().min(1),
  /** The nodes that have it by now. */
  nodes: z.array(nodeName),
  /** What was counted before. */
  requests: z.number(),
  denied: z.number(),
  /** Seconds to look on; 0: one look. */
  seconds: z.int().min(0).max(86_400),
  ignoreErrors: z.boolean(),
})
type Input = z.output<typeof input>
type Context = Pick<JobContext<Input, 'services' | 'clock'>, 'input' | 'ports'>

/** Stands between two waves of a rollout: what goes wrong here has reached a few nodes only. */
export const rolloutWatch = defineJob({
  name: 'rollout.watch',
  summary:
    'Watches the nodes that have a new snapshot for a while, and stops the rollout when they get worse.',
  queue: 'nodes',
  uses: ['services', 'clock'],
  input: input.extend({
    /** Since when they all have it; ISO 8601. */
    since: z.iso.datetime(),
  }),
  output: z.object({}),
  key: input => `watch-${input.service}`,
  target: input => input.service,
  retry: { attempts: 3, first: '1s', max: '10s', timeout: '2h' },

  async run({ input, ports, progress }) {
    await requireAlive({ input, ports })
    const passed = (ports.clock.now().getTime() - Date.parse(input.since)) / 1000
    if (passed < input.seconds) {
      progress(passed / input.seconds, `watching ${input.nodes.length} nodes`)
      throw new WaitFor('1s', `watching ${input.nodes.length} nodes with version ${input.snapshot}`)
    }
    if (input.seconds > 0 && !input.ignoreErrors) await requireQuiet({ input, ports })
    return {}
  },

  undo: 'nothing-to-undo',
})

async function requireAlive({ input, ports }: Context): Promise<void> {
  const nodes = await ports.services.nodes(input.nodes)
  const dead = nodes.filter(node => node.state === 'dead').map(node => node.name)
  if (dead.length > 0)
    throw halted('node-died', input, `${dead.join(', ')} went dead under it`, 'once it beats again, retry')
  const refusing = nodes.find(node => node.configError !== null)
  if (refusing)
    throw halted('config-refused', input, `${refusing.name} refused it: ${refusing.configError}`, 'retry')
}

/** Over the last `seconds`, so that a retry looks anew. */
async function requireQuiet({ input, ports }: Context): Promise<void> {
  const now = ports.clock.now()
  const from = new Date(now.getTime() - input.seconds * 1000)
  const after = await ports.services.denials(input.nodes, from, now)
  const [was, is] = [shareOf(input), shareOf(after)]
  if (after.requests < TELLING || is <= was + RISE) return
  const percent = (share: number) => `${Math.round(share * 100)} %`
  throw halted(
    'errors-rising',
    input,
    `${percent(is)} of ${after.requests} requests are denied, ${percent(was)} were before`,
    'when that has passed, retry, or when it is meant, publish with ignoreErrors',
  )
}

const shareOf = ({ requests, denied }: { requests: number; denied: number }): number =>
  requests === 0 ? 0 : denied / requests

const halted = (code: string, { service, snapshot }: Input, why: string, wayOn: string): Fatal =>
  new Fatal(
    code,
    `the rollout of version ${snapshot} of ${service} stops here: ${why}; ${wayOn}, or go back: lazarus services rollback ${service}`,
  )
