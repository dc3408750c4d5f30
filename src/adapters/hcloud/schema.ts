import { z } from 'zod'

/** What Lazarus reads of the Hetzner Cloud API's answers; everything else is left out. */

const price = z.object({ location: z.string(), price_monthly: z.object({ gross: z.string() }) })
const deprecation = z.object({ announced: z.string() }).nullish()
const named = z.object({ name: z.string() })

export const serverTypeSchema = z.object({
  name: z.string(),
  architecture: z.string(),
  deprecation,
  deprecated: z.boolean().nullish(),
  /** Per place, in newer answers. */
  locations: z.array(z.object({ name: z.string(), deprecation })).optional(),
  prices: z.array(price),
})
export type ServerType = z.infer<typeof serverTypeSchema>

export const serverSchema = z
  .object({
    id: z.number().int(),
    name: z.string(),
    status: z.string(),
    created: z.string(),
    labels: z.record(z.string(), z.string()),
    public_net: z.object({
      ipv4: z.object({ ip: z.ipv4() }).nullable(),
      ipv6: z.object({ ip: z.string() }).nullable(),
    }),
    server_type: z.object({ name: z.string(), prices: z.array(price) }),
    location: named.optional(),
    datacenter: z.object({ location: named }).nullish(),
  })
  .transform(({ location, datacenter, ...server }) => ({
    ...server,
    // The place moved in the API: newer answers name it at the server, older ones below its data centre.
    location: location?.name ?? datacenter?.location.name ?? 'unknown',
  }))
export type Server = z.infer<typeof serverSchema>

export const actionSchema = z.object({
  id: z.number().int(),
  status: z.enum(['running', 'success', 'error']),
  error: z.object({ code: z.string(), message: z.string() }).nullish(),
})
export type Action = z.infer<typeof actionSchema>

export const pricingSchema = z.object({ pricing: z.object({ currency: z.string() }) })
export const errorSchema = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    details: z
      .object({ fields: z.array(z.object({ messages: z.array(z.string()) })) })
      .nullish()
      .catch(null),
  }),
})
export const pageSchema = z.object({
  meta: z.object({ pagination: z.object({ next_page: z.number().int().nullable() }) }).optional(),
})
