import { z } from 'zod'
import { LABELS } from '../render/lvs/diff.js'

/** What the API answers, as far as the command line reads it. Unknown fields are kept for `--json`. */

const text = z.string()
const time = z.string().nullable()
const failure = z.looseObject({ code: text, message: text })

export const problem = z.looseObject({
  code: text.default('unknown'),
  detail: text.optional(),
  title: text.optional(),
  errors: z.array(z.looseObject({ field: text, message: text })).optional(),
})

export const step = z.looseObject({
  id: text,
  job: text,
  target: text,
  status: text,
  attempts: z.number(),
  progress: z.number().default(0),
  note: text.nullable().default(null),
  startedAt: time,
  endedAt: time,
  error: failure.nullable(),
})
export type Step = z.output<typeof step>

export const runSummary = z.looseObject({
  id: text,
  workflow: text,
  status: z.enum(['queued', 'running', 'failed', 'succeeded', 'cancelling', 'cancelled']),
  progress: z.number(),
  pool: text.nullable().default(null),
  error: z.looseObject({ step: text.optional(), code: text, message: text }).nullable().default(null),
  createdAt: text.default(''),
  startedAt: time.default(null),
  endedAt: time.default(null),
})
export const run = runSummary.extend({ steps: z.array(step) })
export type Run = z.output<typeof run>
export type RunStatus = Run['status']

export const started = z.looseObject({ run: text })

/** What a dry run answers. */
export const preview = z.looseObject({
  nodes: z.array(z.looseObject({ name: text, fqdn: text })),
  records: z.array(z.looseObject({ name: text, type: text })),
  steps: z.array(z.looseObject({ job: text, target: text, summary: text })),
  monthlyPrice: z.number(),
  currency: text,
})
export type Preview = z.output<typeof preview>

export const notice = z.looseObject({ kind: text, subject: text, text, at: text })

export const orphans = z.looseObject({
  machines: z.array(
    z.looseObject({ name: text, type: text, location: text, monthlyPrice: z.number(), currency: text }),
  ),
  records: z.array(z.looseObject({ name: text, type: text, values: z.array(text) })),
  states: z.array(text),
})
export type Orphans = z.output<typeof orphans>

export const pool = z.looseObject({
  name: text,
  role: text.default('edge'),
  zone: text,
  types: z.array(text).default([]),
  locations: z.array(text).default([]),
  image: text.default(''),
  resurrect: z.boolean().default(true),
  service: text.nullable().default(null),
  vips: z.array(text).default([]),
})

export const node = z.looseObject({
  name: text,
  pool: text,
  fqdn: text,
  state: text,
  reason: text.nullable().default(null),
  incarnation: z.number(),
  ipv4: text.nullable().default(null),
  ipv6: text.nullable().default(null),
  lastBeatAt: time.default(null),
})

export const token = z.looseObject({
  id: text,
  name: text,
  scopes: z.array(text),
  expiresAt: time,
  createdAt: text,
  revokedAt: time.default(null),
})
export const madeToken = z.looseObject({ token: text })

export const user = z.looseObject({
  id: text,
  name: text,
  note: text.default(''),
  plan: text.nullable().default(null),
  enabled: z.boolean(),
  expiresAt: time,
  over: z.boolean().default(false),
  traffic: z
    .looseObject({ up: z.number(), down: z.number(), limit: z.number().nullable(), since: text })
    .default({ up: 0, down: 0, limit: null, since: '' }),
  total: z.looseObject({ up: z.number(), down: z.number() }).default({ up: 0, down: 0 }),
  devices: z.number().nullable().default(null),
  lastSeenAt: time.default(null),
  createdAt: text.default(''),
})
export type User = z.output<typeof user>

/** What a user's clients need. */
export const userLink = z.looseObject({ token: text, link: text })

export const plan = z.looseObject({
  name: text,
  traffic: z.number().nullable(),
  devices: z.number().nullable(),
  period: text,
  days: z.number().nullable(),
  users: z.number(),
})
export type Plan = z.output<typeof plan>

const used = z.looseObject({ up: z.number(), down: z.number() })
export const stat = z.looseObject({
  name: text,
  online: z.number(),
  devices: z.number(),
  connections: z.number(),
  ...{ today: used, month: used, total: used },
})
export const usageOf = z.looseObject({
  from: text,
  to: text,
  days: z.array(used.extend({ day: text, node: text, requests: z.number() })),
})
const maybe = text.nullable().default(null)
export const denial = z.looseObject({
  id: text,
  at: time,
  check: text,
  reason: text,
  ...{ node: maybe, user: maybe, ip: maybe, path: maybe },
})
export type Denial = z.output<typeof denial>

export const service = z.looseObject({
  name: text,
  type: text,
  rules: z.unknown(),
  nginx: z.unknown(),
  current: z.number().nullable(),
  latest: z.number().nullable(),
})

export const snapshot = z.looseObject({
  version: z.number(),
  actor: text,
  note: text,
  createdAt: text,
  goodAt: time,
})
export const published = z.looseObject({ snapshot, run: text.nullable(), rollout: text })
export const difference = z.looseObject({ unified: text })

/** What a dry run of a publication answers. */
export const publishPreview = difference.extend({
  nodes: z.looseObject({
    canary: z.array(text),
    tenth: z.array(text),
    rest: z.array(text),
    absent: z.array(text),
  }),
  hosts: z.array(text),
})

export const server = z.looseObject({
  id: text,
  service: text,
  host: text,
  serverName: text,
  enabled: z.boolean(),
  upstream: z.array(text),
  state: z.looseObject({
    version: z.number(),
    acked: z.number().nullable(),
    status: text.nullable(),
    seenAt: time,
  }),
})

/** A cluster of load balancers, as it was written. */
export const lvsCluster = z.looseObject({
  name: text,
  type: text,
  device: text,
  policy: text.optional(),
  vipnets: z.array(text),
  vip2ws: z.array(z.looseObject({ vip: text, wstype: text, wss: z.array(text) })),
  lbinfos: z.array(z.looseObject({ hostname: text })),
})
/** How load balancers answer what is read. */
export const covered = <T extends z.ZodType>(message: T) => z.looseObject({ message })

export const lvsChanges = z.array(z.object({ path: text, what: text, label: z.enum(LABELS) }))
/** What a change of a cluster would do. */
export const lvsPreview = z.looseObject({
  /** In the document. */
  changes: lvsChanges.optional(),
  /** From what the balancers run. */
  reload: z.looseObject({ policy: text, changes: lvsChanges, worst: z.enum(LABELS) }),
})
export type LvsPreview = z.output<typeof lvsPreview>
/** `run` null: written, but not started, and `left` says why. */
export const lvsChanged = z.looseObject({
  message: text.optional(),
  version: z.number().optional(),
  run: text.nullable().optional(),
  left: text.optional(),
})
export type LvsChanged = z.output<typeof lvsChanged>

/** What was written when, without its content. */
export const lvsRevision = z.looseObject({
  version: z.number(),
  revision: text.nullable(),
  actor: text,
  note: text,
  createdAt: text,
  /** The balancers that run it. */
  runs: z.array(text).default([]),
})
/** The files of a balancer, by path. */
export const lvsFiles = z.looseObject({ files: z.record(text, text) })

const lvsHost = z.looseObject({
  host: text.nullable(),
  address: text,
  port: z.number(),
  desired: z.boolean(),
  weight: z.number().nullable(),
  ...{ active: z.number(), inactive: z.number(), connections: z.number() },
})
const lvsService = z.looseObject({
  port: z.number(),
  protocol: text,
  observed: z.boolean(),
  ...{ connections: z.number(), inBytes: z.number(), outBytes: z.number() },
  hosts: z.array(lvsHost),
})
/** What a cluster should do, and what its balancers were seen to do. */
export const lvsState = z.looseObject({
  cluster: text,
  version: z.number(),
  balancers: z.array(
    z.looseObject({
      hostname: text,
      ...{ version: z.number().nullable(), goodVersion: z.number().nullable() },
      ...{ reloading: z.boolean(), drained: z.boolean(), error: text.nullable(), observedAt: time },
      /** Why it was not reached at the last look. */
      unreached: text.nullable().default(null),
      neighbours: z.array(text),
      vips: z.array(
        z.looseObject({
          ...{ vip: text, wstype: text.nullable(), desired: z.boolean(), observed: z.boolean() },
          services: z.array(lvsService),
        }),
      ),
      drift: z.array(z.looseObject({ path: text, what: text })),
    }),
  ),
})

export const auditEntry = z.looseObject({
  at: text,
  actor: text,
  action: text,
  target: text,
})

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next: text.nullable().default(null) })
