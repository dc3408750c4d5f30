import { z } from 'zod'
import { askProvider } from './begin.js'
import { defineRoute } from './route.js'

const offer = z.object({
  type: z.string(),
  location: z.string(),
  monthlyPrice: z.number(),
  currency: z.string(),
})

export const catalogRoutes = [
  defineRoute({
    method: 'get',
    path: '/offers',
    tag: 'pools',
    summary: 'What the provider sells, cheapest first.',
    scope: 'fleet:read',
    answer: { status: 200, text: 'the offers', schema: z.object({ items: z.array(offer), next: z.null() }) },
    handle: async ({ deps }) => {
      const items = await askProvider(signal => deps.ports.compute.offers(signal))
      return { status: 200, body: { items, next: null } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/ssh-key',
    tag: 'nodes',
    summary: 'The public key to authorize on a machine before it is adopted.',
    scope: 'fleet:read',
    answer: { status: 200, text: 'the key', schema: z.object({ publicKey: z.string() }) },
    handle: async ({ deps }) => ({ status: 200, body: { publicKey: await deps.ports.ssh.authorizedKey() } }),
  }),
]
