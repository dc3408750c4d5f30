import { z } from 'zod'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal, WaitFor } from '../core/errors.js'
import { nodeName } from '../core/names.js'
import type { NodeRecord } from '../ports/records.js'

type Context = Pick<JobContext<{ node: string }, 'nodes'>, 'input' | 'ports'>

/** Edges pull, so a push says which version the node should have and waits until its agent says that it has it. */
export const configPush = defineJob({
  name: 'config.push',
  summary: 'Publishes a configuration for the node and waits until its agent has applied it.',
  queue: 'nodes',
  uses: ['nodes', 'configs'],
  input: z.object({ node: nodeName, version: z.string().nullable() }),
  output: z.object({ version: z.string().nullable(), applied: z.boolean() }),
  key: input => `push-${input.node}`,
  target: input => input.node,
  retry: { attempts: 2, first: '5s', max: '1m', timeout: '5m' },

  async run(ctx) {
    const { input, ports } = ctx
    const node = await ports.nodes.get(input.node)
    if (!node || input.version === null) return { version: input.version, applied: false }
    // Always the latest: of two runs at work on one node, none takes back what the other published.
    const version = (await ports.configs.latest(input.node)) ?? input.version
    if (node.desiredVersion !== version) await publish(ctx, version)
    if (node.configVersion === version) return { version, applied: true }
    if (node.desiredVersion === version && node.configError !== null) await refused(ctx, node, version)
    // A silent node denies everyone; with its first beat it hears of the version.
    if (node.state === 'dead') return { version, applied: false }
    throw new WaitFor('500ms', `waiting for ${input.node} to apply ${version.slice(0, 12)}`)
  },

  // The version before it may let in what was shut out since: the latest stays.
  undo: 'nothing-to-undo',
})

const publish = ({ input, ports }: Context, version: string): Promise<void> =>
  ports.nodes.note(input.node, { desiredVersion: version })

/** The node keeps its last good configuration; wanting that again makes a retry publish anew. */
async function refused({ input, ports }: Context, node: NodeRecord, version: string): Promise<never> {
  await ports.nodes.note(input.node, { desiredVersion: node.configVersion })
  throw new Fatal(
    'config-refused',
    `${input.node} keeps its last good configuration and refused ${version.slice(0, 12)}: ${node.configError}`,
  )
}
