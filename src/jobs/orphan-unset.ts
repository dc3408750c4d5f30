import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { zoneName } from '../core/names.js'
import { ownsRecord } from './ownership.js'

export const orphanUnset = defineJob({
  name: 'orphan.unset',
  summary: 'Removes a record set that belongs to no node and no run.',
  queue: 'dns',
  uses: ['dns', 'fleet'],
  input: z.object({ zone: zoneName, name: z.string().max(253), type: z.enum(['A', 'AAAA', 'TXT']) }),
  output: z.object({}),
  key: input => `dns-${input.name}-${input.type}`,
  target: input => input.name,
  retry: { attempts: 5, first: '2s', max: '2m', timeout: '1m' },

  async run({ input, ports, signal }) {
    if (ownsRecord(await ports.fleet.owners(), input.name))
      throw new Fatal('has-owner', `${input.name} belongs to a node or a run: retire the node instead`)
    await ports.dns.remove(input, signal)
    return {}
  },

  undo: 'nothing-to-undo',
})
