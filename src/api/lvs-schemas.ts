import { z } from 'zod'
import { clusterSchema, lbSchema, portSchema, vipSchema, wstypeSchema } from '../render/lvs/cluster-schema.js'
import { LABELS } from '../render/lvs/diff.js'
import { WATCH } from './lvs-push.js'
import { cfgPush, originAnswer } from './origin.js'
import { byName } from './route.js'

/** `{name}` of a cluster. */
export const ofCluster = byName

const confirm = z
  .enum(LABELS)
  .default('safe')
  .describe('the worst that a reload may do: needed where balancers are reloaded')
const policy = clusterSchema.shape.policy.describe('for this once; absent: what the cluster says')
const watch = z.int().min(0).max(3600).default(WATCH).describe('seconds to look at the first balancer')
const force = z
  .boolean()
  .default(false)
  .describe('reload the last healthy balancer too, when no other is to be had')

/** What may be said about the way to the balancers, beside what is changed. */
const pushing = { cfg_push: cfgPush, confirm }
/** The same where pushing is all that is asked for. */
export const reloading = { policy, confirm, watch, force }

const { wss: hosts } = vipSchema.shape
const vipHosts = z.array(z.strictObject({ vip: z.string(), wss: hosts })).min(1)
const address = z.string().max(64)

export const newCluster = clusterSchema.extend(pushing)
export const syncBody = z.strictObject({ name: z.string().max(200), ...reloading })
export const addedVips = z.strictObject({ vip2ws: z.array(vipSchema).min(1), ...pushing })
export const removedVips = z.strictObject({ vips: z.array(address).min(1), ...pushing })
export const addedLbs = z.strictObject({ lbinfos: z.array(lbSchema).min(1), ...pushing })
export const removedLbs = z.strictObject({ lbs: z.array(z.string().max(253)).min(1), ...pushing })
export const vipHostsBody = z.strictObject({ vip2ws: vipHosts, ...pushing })
export const addedPorts = z.strictObject({ vip: address, ports: z.array(portSchema).min(1), ...pushing })
export const removedPorts = z.strictObject({ vip: address, sports: z.array(z.int()).min(1), ...pushing })
export const changedPort = z.strictObject({
  vip: address,
  sport: z.int(),
  port: portSchema.partial().describe('what is to change; the rest stays'),
  ...pushing,
})
export const changedWstype = z.strictObject({ vip: address, wstype: wstypeSchema, ...pushing })

const change = z.object({
  path: z.string().describe('such as "vip 60.28.208.1 port 80"'),
  what: z.string(),
  label: z.enum(LABELS).describe('what a reload does to those who are connected'),
})
export const changes = z.array(change)

/** What a change would do; nothing was touched. */
export const editPreview = z.object({
  dryRun: z.literal(true),
  changes: changes.describe('what changes in the cluster'),
  reload: z
    .object({ policy: z.enum(['manual', 'canary', 'rolling']), changes, worst: z.enum(LABELS) })
    .describe('from what the balancers run to what they would run; "manual" reloads nothing'),
})

/** What a change answers. */
export const editAnswer = originAnswer.extend({
  version: z.int().optional().describe('the document of the cluster that holds the change'),
})

const gap = z.object({ path: z.string(), what: z.string() })
const counters = { connections: z.number(), inBytes: z.number(), outBytes: z.number() }
const hostState = z.object({
  host: z.string().nullable().describe('its name in the cluster; null: it is not in it'),
  address: z.string(),
  port: z.int(),
  desired: z.boolean(),
  observed: z.boolean(),
  weight: z.number().nullable().describe('0: it takes no new connections; null: not there'),
  active: z.number(),
  inactive: z.number(),
  connections: z.number(),
})
const serviceState = z.object({
  port: z.int(),
  protocol: z.enum(['tcp', 'udp']),
  desired: z.boolean(),
  observed: z.boolean(),
  scheduler: z.string().nullable(),
  ...counters,
  hosts: z.array(hostState),
})
const vipState = z.object({
  vip: z.string(),
  wstype: z.string().nullable(),
  desired: z.boolean(),
  observed: z.boolean().describe('it stands on the balancer'),
  services: z.array(serviceState),
})
const balancerState = z.object({
  hostname: z.string(),
  revision: z.string().nullable().describe('in force'),
  version: z.int().nullable(),
  good: z.string().nullable().describe('the last one that proved itself'),
  goodVersion: z.int().nullable(),
  reloading: z.boolean(),
  drained: z.boolean(),
  error: z.string().nullable(),
  observedAt: z.iso.datetime().nullable(),
  neighbours: z.array(z.string()).describe('router ids of the OSPF neighbours that are Full'),
  vips: z.array(vipState),
  drift: z.array(gap),
})
/** What a cluster should do beside what it does. */
export const stateView = z.object({
  cluster: z.string(),
  version: z.int(),
  change: z.string(),
  balancers: z.array(balancerState),
})

/** What a run would do. */
export const stepsPreview = z.object({
  dryRun: z.literal(true),
  steps: z.array(
    z.object({
      ...{ id: z.string(), job: z.string(), target: z.string(), summary: z.string() },
      ...{ after: z.array(z.string()), commands: z.array(z.array(z.string())) },
    }),
  ),
})
