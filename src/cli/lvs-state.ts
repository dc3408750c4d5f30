import type { z } from 'zod'
import { bytes } from '../core/bytes.js'
import type { lvsState } from './answers.js'
import { type Line, table, when } from './output.js'

type State = z.output<typeof lvsState>
type Balancer = State['balancers'][number]
type Vip = Balancer['vips'][number]
type Service = Vip['services'][number]

/** What a cluster should do and what it does, as tables; then everything in which the two differ. */
export function stateLines(state: State, options: { hosts?: boolean | undefined }): Line[] {
  const { balancers } = state
  return [
    `${state.cluster}, version ${state.version}`,
    '',
    table(balancers.map(balancerRow), 'no balancers'),
    '',
    table(serviceRows(balancers), 'no VIPs'),
    ...(options.hosts ? ['', table(hostRows(balancers), 'no hosts')] : []),
    '',
    ...driftLines(balancers),
  ]
}

/** `runs`: the version that proved itself; `has`: the one that lies there, and is read with the next reload. */
const balancerRow = (lb: Balancer) => ({
  balancer: lb.hostname,
  state: stateOf(lb),
  ...{ runs: lb.goodVersion, has: lb.version, neighbours: lb.neighbours.length },
  vips: `${lb.vips.filter(vip => vip.desired && vip.observed).length}/${lb.vips.filter(vip => vip.desired).length}`,
  seen: when(lb.observedAt),
})

function stateOf({ error, unreached, reloading, drained, observedAt }: Balancer): string {
  if (unreached !== null) return 'unreached'
  if (error !== null) return 'error'
  if (observedAt === null) return 'unseen'
  if (reloading) return 'reloading'
  return drained ? 'drained' : 'up'
}

/** A service over all balancers: on how many of them it is, and how many of its hosts the worst of them uses. */
function serviceRows(balancers: readonly Balancer[]): Record<string, unknown>[] {
  const groups = new Map<string, { vip: Vip; service: Service }[]>()
  for (const { vips } of balancers)
    for (const vip of vips)
      for (const service of vip.services) {
        const key = `${vip.vip} ${service.port} ${service.protocol}`
        groups.set(key, [...(groups.get(key) ?? []), { vip, service }])
      }
  return [...groups.values()].map(found => {
    const [first] = found
    const services = found.map(each => each.service)
    const sum = (of: (service: Service) => number) =>
      services.reduce((total, service) => total + of(service), 0)
    return {
      vip: first?.vip.vip,
      port: portOf(first?.service),
      for: first?.vip.wstype,
      'on lo': `${found.filter(each => each.vip.observed).length}/${balancers.length}`,
      served: `${services.filter(each => each.observed).length}/${balancers.length}`,
      hosts: `${Math.min(...services.map(upIn))}/${Math.max(...services.map(wantedIn))}`,
      open: sum(service => service.hosts.reduce((total, host) => total + host.active, 0)),
      connections: sum(service => service.connections),
      in: bytes(sum(service => service.inBytes)),
      out: bytes(sum(service => service.outBytes)),
    }
  })
}

const portOf = (service: Service | undefined): string =>
  service?.protocol === 'udp' ? `${service.port}/udp` : String(service?.port ?? '')

const upIn = (service: Service): number => service.hosts.filter(host => (host.weight ?? 0) > 0).length
const wantedIn = (service: Service): number => service.hosts.filter(host => host.desired).length

const hostRows = (balancers: readonly Balancer[]) =>
  balancers.flatMap(lb =>
    lb.vips.flatMap(vip =>
      vip.services.flatMap(service =>
        service.hosts.map(host => ({
          ...{ balancer: lb.hostname, vip: vip.vip, port: portOf(service), host: host.host },
          ...{ address: `${host.address}:${host.port}`, weight: host.weight },
          ...{ open: host.active, closing: host.inactive, connections: host.connections },
        })),
      ),
    ),
  )

function driftLines(balancers: readonly Balancer[]): Line[] {
  const lines = balancers.flatMap(({ hostname, unreached, error, drift }) => [
    ...[unreached, error]
      .filter(text => text !== null)
      .map(text => ({ text: `${hostname}  ${oneLine(text)}`, colour: 'red' as const })),
    ...drift.map(({ path, what }) => ({
      text: oneLine(`${hostname}  ${path === `lb ${hostname}` ? '' : `${path}  `}${what}`),
      colour: 'yellow' as const,
    })),
  ])
  return lines.length === 0 ? ['every balancer does what it should'] : lines
}

const oneLine = (text: string): string => text.replaceAll('\n', ' ')
