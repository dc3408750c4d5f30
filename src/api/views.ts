import { z } from 'zod'

/** Shapes of answers, for the OpenAPI document. The functions of the store make them. */
const time = z.iso.datetime().describe('ISO 8601')
const maybeTime = time.nullable()
const failure = z.object({ code: z.string(), message: z.string() })

export const poolView = z.object({
  name: z.string(),
  role: z.enum(['edge', 'ws']).describe('ws: its nodes stand behind VIPs of load balancers as well'),
  zone: z.string(),
  types: z.array(z.string()).describe('machine types by preference; empty: the cheapest'),
  locations: z.array(z.string()).describe('locations by preference; empty: the cheapest'),
  image: z.string(),
  resurrect: z.boolean().describe('whether a dead node is replaced without being asked'),
  service: z.string().nullable().describe('the service whose rules its nodes follow; null: the defaults'),
  vips: z.array(z.string()).describe('the VIPs that its next nodes join'),
  createdAt: time,
})

export const nodeView = z.object({
  name: z.string(),
  pool: z.string(),
  zone: z.string(),
  fqdn: z.string(),
  state: z.enum(['provisioning', 'ready', 'dead', 'draining']),
  reason: z.string().nullable(),
  incarnation: z.int(),
  adopted: z.boolean(),
  machine: z
    .object({
      key: z.string(),
      id: z.string(),
      type: z.string(),
      location: z.string(),
      monthlyPrice: z.number(),
      currency: z.string(),
    })
    .nullable(),
  ipv4: z.string().nullable(),
  ipv6: z.string().nullable(),
  load: z
    .object({
      cpu: z.number(),
      mem: z.number(),
      rxBps: z.number(),
      txBps: z.number(),
      connections: z.number(),
    })
    .nullable(),
  config: z.object({
    desired: z.string().nullable(),
    applied: z.string().nullable(),
    error: z.string().nullable(),
  }),
  lastBeatAt: maybeTime,
  readyAt: maybeTime,
  createdAt: time,
})

export const runStatus = z.enum(['queued', 'running', 'failed', 'succeeded', 'cancelling', 'cancelled'])

export const stepView = z.object({
  id: z.string().describe('place in the run, such as nodes.edge-1.buy'),
  job: z.string(),
  target: z.string(),
  status: z.enum(['pending', 'running', 'waiting', 'retrying', 'succeeded', 'failed', 'cancelled']),
  attempts: z.int(),
  progress: z.number().describe('0 to 1'),
  note: z.string().nullable(),
  startedAt: maybeTime,
  endedAt: maybeTime,
  error: failure.nullable(),
})

export const runSummary = z.object({
  id: z.string(),
  workflow: z.string(),
  status: runStatus,
  progress: z.number().describe('0 to 1'),
  pool: z.string().nullable(),
  actor: z.string(),
  error: failure.extend({ step: z.string() }).nullable(),
  createdAt: time,
  startedAt: maybeTime,
  endedAt: maybeTime,
})
export const runView = runSummary.extend({ steps: z.array(stepView) })

export const tokenView = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  expiresAt: maybeTime,
  createdAt: time,
  revokedAt: maybeTime,
})

export const auditView = z.object({
  id: z.int(),
  at: time,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.record(z.string(), z.unknown()),
  requestId: z.string().nullable(),
})

export const userView = z.object({
  id: z.string(),
  name: z.string(),
  note: z.string(),
  plan: z.string().nullable(),
  enabled: z.boolean(),
  expiresAt: maybeTime,
  expiredAt: maybeTime.describe('when the end was noticed'),
  over: z.boolean().describe('whether the traffic of the period is used up'),
  traffic: z
    .object({
      up: z.number(),
      down: z.number(),
      limit: z.number().nullable().describe('up and down together; null: none'),
      since: time,
    })
    .describe('bytes of the current period'),
  total: z.object({ up: z.number(), down: z.number() }).describe('bytes ever'),
  devices: z.int().nullable().describe('at once; null: no limit'),
  lastSeenAt: maybeTime,
  createdAt: time,
})

export const planView = z.object({
  name: z.string(),
  traffic: z.number().nullable().describe('bytes of one period; null: no limit'),
  devices: z.int().nullable().describe('at once; null: no limit'),
  period: z.enum(['never', 'day', 'month']),
  days: z.int().nullable().describe('what a new user gets and a renewal adds; null: no end'),
  users: z.int().describe('how many have it'),
  createdAt: time,
})

export const notificationView = z.object({
  id: z.int(),
  kind: z.string(),
  subject: z.string(),
  text: z.string(),
  at: time,
})

/** The answer to whatever starts work. */
export const started = z.object({ run: z.string().describe('id of the run that does it') })
