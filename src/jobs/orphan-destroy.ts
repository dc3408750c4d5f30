import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { ownsMachine } from './ownership.js'

/** Asks again who owns it: between the list and the order to remove, a run may have begun. */
export const orphanDestroy = defineJob({
  name: 'orphan.destroy',
  summary: 'Destroys a machine that belongs to no node and no run, and its state.',
  queue: 'machines',
  uses: ['compute', 'fleet'],
  input: z.object({ key: z.string().regex(/^[a-z0-9-]+\.\d+$/, 'a machine key such as edge-1.2') }),
  output: z.object({}),
  key: input => input.key,
  target: input => input.key,
  retry: { attempts: 5, first: '5s', max: '2m', timeout: '10m' },

  async run({ input, key, ports, signal, progress }) {
    if (ownsMachine(await ports.fleet.owners(), key))
      throw new Fatal(
        'has-owner',
        `the machine ${input.key} belongs to a node or a run: retire the node instead`,
      )
    await ports.compute.destroy(key, signal, progress)
    return {}
  },

  undo: 'nothing-to-undo',
})
