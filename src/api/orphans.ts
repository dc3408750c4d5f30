import { z } from 'zod'
import { findOrphans } from '../workflows/orphans.js'
import { removeOrphans } from '../workflows/requests.js'
import { askProvider, begin } from './begin.js'
import { defineRoute } from './route.js'
import { started } from './views.js'

const orphansView = z.object({
  machines: z.array(
    z.object({
      key: z.string(),
      id: z.string(),
      name: z.string(),
      type: z.string(),
      location: z.string(),
      monthlyPrice: z.number(),
      currency: z.string(),
    }),
  ),
  records: z.array(
    z.object({ zone: z.string(), name: z.string(), type: z.string(), values: z.array(z.string()) }),
  ),
  states: z.array(z.string()),
  monthlyCost: z.record(z.string(), z.number()).describe('by currency'),
})

export const orphanRoutes = [
  defineRoute({
    method: 'get',
    path: '/orphans',
    tag: 'orphans',
    summary:
      'Machines, records and states of ours that belong to no node and no run, with their monthly cost.',
    scope: 'fleet:read',
    answer: { status: 200, text: 'the orphans', schema: orphansView },
    handle: async ({ deps }) => ({
      status: 200,
      body: await askProvider(signal => findOrphans(deps.ports, signal)),
    }),
  }),
  defineRoute({
    method: 'post',
    path: '/orphans/remove',
    tag: 'orphans',
    summary: 'Removes them; each is looked at once more before it goes.',
    scope: 'fleet:write',
    body: z.strictObject({ yes: z.literal(true, 'must be true: what is removed cannot be brought back') }),
    action: 'orphans.remove',
    answer: { status: 202, text: 'started', schema: started },
    handle: async call => {
      const orphans = await askProvider(signal => findOrphans(call.deps.ports, signal))
      return begin(call, removeOrphans(orphans))
    },
  }),
]
