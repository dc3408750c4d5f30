import { z } from 'zod'
import { balancerNetsOf } from '../render/lvs/balancer-nets.js'
import { composeNginxHost } from '../render/lvs/nginx-host.js'
import { domainSchema, type NginxHost, readHostName } from '../render/lvs/nginx-schema.js'
import { hostsByWstype, readClusters } from '../store/lvs.js'
import { readInventory } from '../store/nginx.js'
import type { ApiDeps } from './deps.js'
import { invalid } from './mount.js'
import { originView, succeeded } from './origin.js'
import { Problem } from './problem.js'
import { defineRoute } from './route.js'

const { product, type } = domainSchema.shape
const idc = domainSchema.shape.idcs.unwrap().element
const group = z.object({
  wstype: z.string().describe('<cluster>:<wstype>'),
  wss: z.array(z.string()).describe('each host once, in the order of the cluster'),
})
const described = z.strictObject({
  nginx: z.string().min(1).max(253).describe('the host, such as apps-extngtest0-bgp0.hy01'),
  product: product.optional().describe('its product line, where its name does not tell it, or tells another'),
  type: type.optional().describe('the side that it faces, the same way'),
  idc: idc.optional().describe('where it stands, the same way'),
})
const conf = originView(
  z.object({
    nginx: z.string(),
    product: z.string(),
    type,
    idc: z.string(),
    revision: z.string().describe('SHA-256 of the files'),
    files: z.record(z.string(), z.string()).describe('texts by name, to be included inside http'),
  }),
)

export const nginxRoutes = [
  defineRoute({
    method: 'get',
    path: '/nginx',
    tag: 'nginx',
    summary: 'The nginx hosts of each business.',
    scope: 'lvs:read',
    origin: { doing: 'nginx get' },
    query: z.strictObject({
      wstype: z.string().max(200).optional().describe('<wstype>, or <cluster>:<wstype> as it is answered'),
      type: type.optional().describe('those in clusters of this type'),
      idc: idc.optional().describe('those whose name tells this IDC'),
    }),
    answer: { status: 200, text: 'hosts by <cluster>:<wstype>', schema: z.array(group) },
    handle: async ({ deps, query }) => ({ status: 200, body: await hostsOf(deps, query) }),
  }),
  defineRoute({
    method: 'get',
    path: '/nginx/conf',
    tag: 'nginx',
    summary: 'The configuration of one nginx host, composed by product line, side and IDC.',
    scope: 'lvs:read',
    origin: { doing: 'nginx conf get' },
    query: described,
    answer: { status: 200, text: 'the files', schema: conf },
    handle: async ({ deps, query }) => succeeded(await composed(deps, query)),
  }),
]

interface Wanted {
  wstype?: string | undefined
  type?: 'extra' | 'internal' | undefined
  idc?: string | undefined
}

/** Businesses of which no host is left are left out. */
async function hostsOf({ db }: ApiDeps, { wstype, type, idc }: Wanted): Promise<z.output<typeof group>[]> {
  const [business, of] = wstype?.split(':').reverse() ?? []
  const groups = await hostsByWstype(db, { wstype: business })
  const facing = type === undefined ? undefined : await clustersOf(db, type)
  return groups
    .filter(each => of === undefined || each.cluster === of)
    .filter(each => facing === undefined || facing.has(each.cluster))
    .map(({ cluster, wstype, hosts }) => ({
      wstype: `${cluster}:${wstype}`,
      wss: idc === undefined ? hosts : hosts.filter(host => readHostName(host)?.idc === idc),
    }))
    .filter(each => each.wss.length > 0)
}

async function clustersOf(db: ApiDeps['db'], type: 'extra' | 'internal'): Promise<Set<string>> {
  const all = await readClusters(db)
  return new Set(all.filter(({ cluster }) => cluster.type === type).map(({ cluster }) => cluster.name))
}

/** The files of a host. Throws 422 for a host that nothing tells what it is, 409 for what cannot be composed. */
async function composed({ db, ports }: ApiDeps, query: z.output<typeof described>) {
  const host = hostOf(query)
  const [inventory, clusters] = await Promise.all([readInventory(db), readClusters(db)])
  const balancerNets = balancerNetsOf(clusters.map(each => each.cluster))
  const outcome = composeNginxHost(ports.settings.lvsTemplates, host, { ...inventory, balancerNets })
  const { product, type, idc } = host
  if (outcome.ok)
    return { nginx: query.nginx, product, type, idc, revision: outcome.revision, files: outcome.files }
  const errors = outcome.violations.map(({ path, message }) => ({ field: path, message }))
  const text = errors.map(({ field, message }) => `${field}: ${message}`).join('; ')
  throw new Problem(409, 'nginx-conf-invalid', text, { errors })
}

/** What a host is: as its name tells, but for what the caller knows better. Throws 422 where both are silent. */
function hostOf({ nginx, ...told }: z.output<typeof described>): NginxHost {
  const read = readHostName(nginx)
  const { product = read?.product, type = read?.type, idc = read?.idc } = told
  if (product !== undefined && type !== undefined && idc !== undefined)
    return { group: '', line: '', machine: 0, ...read, product, type, idc }
  const missing = Object.entries({ product, type, idc }).filter(([, value]) => value === undefined)
  throw invalid(
    missing.map(([field]) => ({ field: `query.${field}`, message: `the name ${nginx} does not tell it` })),
  )
}
