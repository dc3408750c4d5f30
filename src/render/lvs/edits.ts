import type { Cluster, Lb, Port, Vip } from './cluster-schema.js'

/** Thrown for an edit of something that is not there, or is there already; `path` is the argument that says so. */
export class EditError extends Error {
  override readonly name = 'EditError'
  constructor(
    readonly path: string,
    message: string,
  ) {
    super(message)
  }
}

/** Adds VIPs at the end. */
export function addVips(cluster: Cluster, vips: readonly Vip[]): Cluster {
  const known = new Set(cluster.vip2ws.map(each => each.vip))
  for (const [index, { vip }] of vips.entries()) {
    if (known.has(vip)) throw new EditError(`vip2ws.${index}.vip`, `${vip} is in the cluster already`)
    known.add(vip)
  }
  return { ...cluster, vip2ws: [...cluster.vip2ws, ...vips] }
}

export function removeVips(cluster: Cluster, vips: readonly string[]): Cluster {
  for (const [index, vip] of vips.entries()) findVip(cluster, vip, `vips.${index}`)
  return { ...cluster, vip2ws: cluster.vip2ws.filter(each => !vips.includes(each.vip)) }
}

export function addBalancers(cluster: Cluster, lbs: readonly Lb[]): Cluster {
  const known = new Set(cluster.lbinfos.map(each => each.hostname))
  for (const [index, { hostname }] of lbs.entries()) {
    if (known.has(hostname))
      throw new EditError(`lbinfos.${index}.hostname`, `${hostname} is in the cluster already`)
    known.add(hostname)
  }
  return { ...cluster, lbinfos: [...cluster.lbinfos, ...lbs] }
}

export function removeBalancers(cluster: Cluster, hostnames: readonly string[]): Cluster {
  for (const [index, hostname] of hostnames.entries())
    if (!cluster.lbinfos.some(each => each.hostname === hostname))
      throw new EditError(`lbs.${index}`, `there is no balancer ${hostname} in the cluster`)
  return { ...cluster, lbinfos: cluster.lbinfos.filter(each => !hostnames.includes(each.hostname)) }
}

/** Which hosts of which VIP. */
export interface VipHosts {
  vip: string
  wss: readonly string[]
}

/** Puts hosts behind VIPs, at the end of their lists. */
export const addHosts = (cluster: Cluster, wanted: readonly VipHosts[]): Cluster =>
  wanted.reduce((state, { vip, wss }, index) => {
    const found = findVip(state, vip, `vip2ws.${index}.vip`)
    const twice = wss.findIndex(ws => found.wss.includes(ws))
    if (twice >= 0)
      throw new EditError(`vip2ws.${index}.wss.${twice}`, `${wss[twice]} is behind ${vip} already`)
    return withVip(state, { ...found, wss: [...found.wss, ...wss] })
  }, cluster)

/** Takes hosts away. The last one of a VIP stays: without it the VIP would be withdrawn. */
export const removeHosts = (cluster: Cluster, wanted: readonly VipHosts[]): Cluster =>
  wanted.reduce((state, { vip, wss }, index) => {
    const found = findVip(state, vip, `vip2ws.${index}.vip`)
    const missing = wss.findIndex(ws => !found.wss.includes(ws))
    if (missing >= 0)
      throw new EditError(`vip2ws.${index}.wss.${missing}`, `${wss[missing]} is not behind ${vip}`)
    const left = found.wss.filter(ws => !wss.includes(ws))
    if (left.length === 0)
      throw new EditError(
        `vip2ws.${index}.wss`,
        `${vip} would have no host left: remove the VIP, or add another host first`,
      )
    return withVip(state, { ...found, wss: left })
  }, cluster)

export function addPorts(cluster: Cluster, vip: string, ports: readonly Port[]): Cluster {
  const found = findVip(cluster, vip, 'vip')
  const there = portsSaid(found)
  const twice = ports.findIndex(port => there.some(each => samePort(each, port)))
  if (twice >= 0)
    throw new EditError(`ports.${twice}.sport`, `${vip} has port ${ports[twice]?.sport} already`)
  return withVip(cluster, { ...found, ports: [...there, ...ports] })
}

export function removePorts(cluster: Cluster, vip: string, sports: readonly number[]): Cluster {
  const found = findVip(cluster, vip, 'vip')
  const there = portsSaid(found)
  const known = new Set(there.map(each => each.sport))
  const missing = sports.findIndex(sport => !known.has(sport))
  if (missing >= 0) throw new EditError(`sports.${missing}`, `${vip} has no port ${sports[missing]}`)
  const left = there.filter(each => !sports.includes(each.sport))
  if (left.length === 0) throw new EditError('sports', `${vip} would have no port left: remove the VIP`)
  return withVip(cluster, { ...found, ports: left })
}

/** Changes a port; what the change does not name stays as it is. */
export function changePort(cluster: Cluster, vip: string, sport: number, change: Partial<Port>): Cluster {
  const found = findVip(cluster, vip, 'vip')
  const there = portsSaid(found)
  if (!there.some(each => each.sport === sport)) throw new EditError('sport', `${vip} has no port ${sport}`)
  return withVip(cluster, {
    ...found,
    ports: there.map(each => (each.sport === sport ? { ...each, ...change } : each)),
  })
}

export const changeWstype = (cluster: Cluster, vip: string, wstype: string): Cluster =>
  withVip(cluster, { ...findVip(cluster, vip, 'vip'), wstype })

function findVip(cluster: Cluster, vip: string, path: string): Vip {
  const found = cluster.vip2ws.find(each => each.vip === vip)
  if (!found) throw new EditError(path, `there is no VIP ${vip} in the cluster`)
  return found
}

const withVip = (cluster: Cluster, vip: Vip): Cluster => ({
  ...cluster,
  vip2ws: cluster.vip2ws.map(each => (each.vip === vip.vip ? vip : each)),
})

/** The ports of a VIP as they stand there; those of one without any are 80 and 443. */
const portsSaid = (vip: Vip): Port[] => vip.ports ?? [80, 443].map(port => ({ sport: port, dport: port }))

const samePort = (a: Port, b: Port): boolean =>
  a.sport === b.sport && (a.protocol ?? 'tcp') === (b.protocol ?? 'tcp')
