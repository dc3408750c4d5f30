import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { machineKey, seatSchema } from '../core/names.js'
import { hostKeyName } from './host-key.js'

/** Destroys one machine of a node, by its key: never the machine of another incarnation. */
export const machineDestroy = defineJob({
  name: 'machine.destroy',
  summary: 'Destroys the machine of a node, with its state and host key.',
  queue: 'machines',
  uses: ['compute', 'nodes', 'vault'],
  input: seatSchema.pick({ node: true, incarnation: true }),
  output: z.object({}),
  key: machineKey,
  target: input => input.node,
  retry: { attempts: 10, first: '1s', max: '5m', timeout: '10m' },

  async run({ input, key, ports, signal, progress }) {
    await ports.compute.destroy(key, signal, progress)
    const node = await ports.nodes.get(input.node)
    if (node?.machine?.key === key)
      await ports.nodes.note(input.node, { machine: null, ipv4: null, ipv6: null, ssh: null })
    await ports.vault.remove(hostKeyName(key))
    return {}
  },

  // What was destroyed does not come back. A node without a machine is raised again by `resurrect`.
  undo: 'nothing-to-undo',
})
