import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { WaitFor } from '../core/errors.js'
import { nodeName } from '../core/names.js'

/** Nobody is cut off at once: whoever is connected has `patience` seconds to leave. */
export const nodeDrain = defineJob({
  name: 'node.drain',
  summary: 'Takes the node off the list and gives its last connections time to end.',
  queue: 'nodes',
  uses: ['nodes', 'clock'],
  input: z.object({ node: nodeName, patience: z.number().int().min(0).max(3600).default(60) }),
  output: z.object({ left: z.number() }),
  key: input => `node-${input.node}`,
  target: input => input.node,
  retry: { attempts: 3, first: '1s', max: '30s', timeout: '2h' },

  async run({ input, ports }) {
    const node = await ports.nodes.get(input.node)
    // A node that is not up (silent, half made, gone) has nobody who could leave.
    if (!node || (node.state !== 'ready' && node.state !== 'draining')) return { left: 0 }
    const now = ports.clock.now()
    const drainingAt = node.drainingAt ?? now.toISOString()
    if (node.state === 'ready') await ports.nodes.note(input.node, { state: 'draining', drainingAt })
    const left = node.connections ?? 0
    const waited = (now.getTime() - Date.parse(drainingAt)) / 1000
    if (left > 0 && waited < input.patience) throw new WaitFor('1s', `${left} connections are still open`)
    return { left }
  },

  async undo({ input, ports }) {
    const node = await ports.nodes.get(input.node)
    if (node?.state === 'draining') await ports.nodes.note(input.node, { state: 'ready', drainingAt: null })
  },
})
