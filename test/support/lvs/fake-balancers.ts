import { createHash } from 'node:crypto'
import type { ExecResult, RemoteFile, SshHost } from '../../../src/ports/ssh.js'
import type { Cluster, Lb } from '../../../src/render/lvs/cluster-schema.js'
import { lost, type World } from '../fake-ports.js'

/** One balancer in memory: its revisions, and what its programs have read. */
export interface FakeBalancer {
  revisions: Map<string, Map<string, string>>
  part: Map<string, string> | null
  current: string | null
  good: string | null
  before: string | null
  running: string | null
  /** Nobody reaches it. */
  away: boolean
  /** VIPs that never come up, whatever it runs. */
  dead: Set<string>
  /** Revisions under which nothing comes up. */
  broken: Set<string>
  neighbours: string[]
  /** `<vip> <address>` of hosts whose weight was taken away. */
  quiet: Set<string>
  /** Who took it. */
  taken: Map<string, string>
  /** Connections that each host has in each service, by its address. */
  open: Map<string, number>
  /** Bytes from clients to each service. */
  inBytes: number
  /** What it was told that its VIPs cost. */
  cost: string
  /** What an action answers instead of doing anything. */
  refusals: Map<string, Partial<ExecResult>>
  /** Actions whose next answer is lost, after they took effect. */
  unheard: Set<string>
  calls: string[]
  sent: RemoteFile[]
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Balancers that take the place of the world's hosts, by their internal addresses: `lazarus-lvs` as a model. */
export function fakeBalancers(world: World, cluster: Cluster): Map<string, FakeBalancer> {
  const byAddress = new Map<string, FakeBalancer>()
  const byName = new Map<string, FakeBalancer>()
  for (const { hostname, internalip } of cluster.lbinfos) {
    const made: FakeBalancer = {
      ...{ revisions: new Map(), part: null, current: null, good: null, before: null, running: null },
      ...{ away: false, dead: new Set(), broken: new Set(), neighbours: ['10.0.0.1'], refusals: new Map() },
      ...{ unheard: new Set<string>() },
      ...{ quiet: new Set(), taken: new Map(), open: new Map(), inBytes: 0, cost: 'default' },
      ...{ calls: [], sent: [] },
    }
    byAddress.set(internalip, made)
    byName.set(hostname, made)
    world.resolver.hosts.set(internalip, internalip)
  }
  const at = ({ address }: SshHost): FakeBalancer => {
    const found = byAddress.get(address)
    if (!found || found.away) throw lost()
    return found
  }
  world.ssh.exec = async (host: SshHost, argv: readonly string[], options?: { stdin?: string }) => {
    const balancer = at(host)
    const [program = '', action = '', ...args] = argv
    if (program === 'sha256sum') return { code: 1, stdout: '', stderr: '' }
    balancer.calls.push([action, ...args.map(word => word.slice(0, 8))].join(' '))
    const refusal = balancer.refusals.get(action)
    if (refusal) return { code: 1, stdout: '', stderr: '', ...refusal }
    const answer =
      drains(balancer, action, args) ?? actions(balancer, action, args[0] ?? '', options?.stdin ?? '')
    if (balancer.unheard.delete(action)) throw lost()
    return { code: 0, stdout: '', stderr: '', ...answer }
  }
  world.ssh.put = async (host: SshHost, files: readonly RemoteFile[]) => {
    const balancer = at(host)
    for (const file of files) {
      balancer.sent.push(file)
      const [, path] = /\.part\/(.*)$/.exec(file.path) ?? []
      if (path !== undefined) balancer.part?.set(path, file.content)
    }
  }
  return byName
}

function drains(balancer: FakeBalancer, action: string, args: string[]): Partial<ExecResult> | null {
  const by = args[0]?.startsWith('by=') ? args[0] : ''
  const [first = '', ...addresses] = by ? args.slice(1) : args
  const hosts = addresses.map(each => `${first} ${each}`)
  if (action === 'cost') balancer.cost = first
  else if (action === 'quiesce') for (const host of hosts) take(balancer, host, by)
  else if (action === 'restore')
    for (const host of hosts.filter(each => !by || balancer.taken.get(each) === by))
      balancer.quiet.delete(host)
  else return null
  return {}
}

function take({ quiet, taken }: FakeBalancer, host: string, by: string): void {
  if (quiet.has(host)) return
  quiet.add(host)
  taken.set(host, by)
}

function actions(
  balancer: FakeBalancer,
  action: string,
  revision: string,
  stdin: string,
): Partial<ExecResult> {
  switch (action) {
    case 'begin': {
      const whole = balancer.revisions.get(revision)
      balancer.part = whole ? null : new Map(balancer.revisions.get(balancer.current ?? '') ?? [])
      const files = whole ?? balancer.part ?? new Map()
      return { stdout: [...files].map(([path, text]) => `${sha256(text)}  ${path}\n`).join('') }
    }
    case 'finish': {
      if (balancer.revisions.has(revision)) return {}
      const wanted = stdin.split('\n').filter(Boolean)
      const files = new Map(
        [...(balancer.part ?? [])].filter(([path, text]) => wanted.includes(`${sha256(text)}  ${path}`)),
      )
      if (files.size !== wanted.length) return { code: 1, stderr: 'what arrived is not what was sent' }
      balancer.revisions.set(revision, files)
      return {}
    }
    case 'activate':
      if (!balancer.revisions.has(revision)) return { code: 66, stderr: 'stage it first' }
      balancer.current = revision
      return {}
    case 'reload':
      return reload(balancer)
    case 'good':
      balancer.good = balancer.current
      balancer.before = null
      return {}
    case 'revert':
      if (balancer.good === null) return { code: 66, stderr: 'there is no good revision to go back to' }
      balancer.current = balancer.good
      return reload(balancer)
    case 'observe':
      return { stdout: observation(balancer, revision === 'brief') }
    default:
      return {}
  }
}

function reload(balancer: FakeBalancer): Partial<ExecResult> {
  if (balancer.before === null || balancer.current === balancer.good)
    balancer.before = observation(balancer, true)
  balancer.running = balancer.current
  return { stdout: balancer.before }
}

function observation(balancer: FakeBalancer, brief: boolean): string {
  const { running, broken, dead, neighbours } = balancer
  const files = [...(balancer.revisions.get(running ?? '') ?? [])]
  const services = files.flatMap(([path, text]) => (path.startsWith('keepalived/') ? servicesIn(text) : []))
  const up = running !== null && !broken.has(running)
  const vips = new Set(services.map(each => each.vip).filter(vip => up && !dead.has(vip)))
  const hostLine = (vip: string, host: string) => {
    const [address = ''] = host.split(':')
    const weight = up && !dead.has(vip) && !balancer.quiet.has(`${vip} ${address}`) ? 100 : 0
    return `  -> ${host} Masq ${weight} ${balancer.open.get(address) ?? 0} 0\n`
  }
  const listing = services.map(
    ({ vip, port, hosts }) => `TCP  ${vip}:${port} wrr\n${hosts.map(host => hostLine(vip, host)).join('')}`,
  )
  const stats = services.map(({ vip, port }) => `TCP  ${vip}:${port} 0 0 0 ${balancer.inBytes} 0\n`)
  return [
    ...(brief ? [] : [`== listing\n${listing.join('')}== stats\n${stats.join('')}`]),
    `== current\n${balancer.current ?? ''}\n== good\n${balancer.good ?? ''}\n== addresses\n`,
    ...[...vips].map(vip => `1: lo    inet ${vip}/32 scope global lo\n`),
    '== neighbours\n',
    JSON.stringify({ neighbors: Object.fromEntries(neighbours.map(id => [id, [{ nbrState: 'Full/-' }]])) }),
    '\n== end\n',
  ].join('')
}

type Services = { vip: string; port: string; hosts: string[] }[]
/** By file: a hundred looks at two hundred files find the same. */
const found = new Map<string, Services>()

function servicesIn(text: string): Services {
  const services = found.get(text) ?? readServices(text)
  found.set(text, services)
  return services
}

const readServices = (text: string): Services =>
  text
    .split('virtual_server group ')
    .slice(1)
    .map(part => {
      const [, vip = '', port = ''] = /^([\d.]+)_(\d+)/.exec(part) ?? []
      const hosts = [...part.matchAll(/real_server (\S+) (\d+)/g)].map(([, host, at]) => `${host}:${at}`)
      return { vip, port, hosts }
    })

/** An internal cluster that keeps every rule: two VIPs, and so many balancers, `lb1.hy01` and on. */
export function clusterOf(balancers: number, name = 'inner'): Cluster {
  const lbinfos = Array.from({ length: balancers }, (_, index): Lb => {
    const net = `10.9.${index + 1}`
    return {
      ...{ hostname: `lb${index + 1}.hy01`, routerid: `${net}.2`, ospfnet: `${net}.0/27` },
      ...{ internalip: `${net}.2`, internalnetmask: '255.255.255.224', internalgateway: `${net}.1` },
    }
  })
  const vip = (last: number, host: string) => ({ vip: `60.28.208.${last}`, wstype: 'apps', wss: [host] })
  return {
    ...{ name, type: 'internal', device: 'em1', vipnets: ['60.28.208.0/25'], lbinfos },
    vip2ws: [vip(1, 'apps-1.hy01'), vip(2, 'apps-2.hy01')],
  }
}

/** Where the hosts of {@link clusterOf} are. */
export const clusterHosts = (): Map<string, string> =>
  new Map([
    ['apps-1.hy01', '10.0.20.11'],
    ['apps-2.hy01', '10.0.20.12'],
    ['apps-3.hy01', '10.0.20.13'],
  ])
