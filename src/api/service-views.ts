import { z } from 'zod'
import { serverContentSchema } from '../render/server-entry.js'

/** Shapes of the answers about services and server entries, for the OpenAPI document. */
const rules = z
  .record(z.string(), z.unknown())
  .describe('as PUT /services/{name} takes them, with every default')
const time = z.iso.datetime().describe('ISO 8601')

export const serviceView = z.object({
  name: z.string(),
  type: z.enum(['proxy', 'media']),
  rules,
  nginx: z.record(z.string(), z.unknown()),
  current: z.int().nullable().describe('the version in force; null before the first'),
  latest: z.int().nullable().describe('the version made last: ahead of current while it is rolled out'),
  createdAt: time,
})

export const snapshotSummary = z.object({
  id: z.int(),
  version: z.int(),
  actor: z.string(),
  note: z.string(),
  createdAt: time,
  goodAt: time.nullable().describe('when every node or host had followed it; null: not yet, or never'),
})
export const snapshotView = snapshotSummary.extend({
  content: z.object({
    type: z.enum(['proxy', 'media']),
    rules,
    nginx: z.record(z.string(), z.unknown()),
  }),
})

export const differenceView = z.object({
  from: z.string(),
  to: z.string(),
  changes: z.array(
    z.object({
      op: z.enum(['add', 'remove', 'change']),
      path: z.string().describe('such as rules.limits.0.perSecond'),
      from: z.unknown().optional(),
      to: z.unknown().optional(),
    }),
  ),
  unified: z.string().describe('the same as a unified diff'),
})

export const publishedView = z.object({
  snapshot: snapshotSummary,
  run: z.string().nullable().describe('the run that rolls it out'),
  rollout: z
    .enum(['started', 'not-needed', 'not-started'])
    .describe(
      'not-needed: no node has to follow, media hosts pull; not-started: Redis went away, publish again',
    ),
})

export const publishPreview = differenceView.extend({
  nodes: z.object({
    canary: z.array(z.string()),
    tenth: z.array(z.string()),
    rest: z.array(z.string()),
    absent: z.array(z.string()).describe('dead nodes, which hear of it with their first beat'),
  }),
  hosts: z.array(z.string()).describe('media hosts that will pull it; the first hundred'),
})

export const serverView = serverContentSchema.extend({
  id: z.string(),
  service: z.string(),
  host: z.string(),
  serverName: z.string(),
  enabled: z.boolean(),
  state: z.object({
    version: z.int().describe('what the host should have'),
    acked: z.int().nullable().describe('what it acknowledged last'),
    status: z.enum(['applied', 'failed']).nullable(),
    error: z.string().nullable(),
    seenAt: time.nullable().describe('when its agent asked last, to the minute'),
  }),
  createdAt: time,
  updatedAt: time,
})
