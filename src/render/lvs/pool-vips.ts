import { type Cluster, kindOf, portsOf, type Vip } from './cluster-schema.js'

/** Why machines of a pool cannot stand behind one of the VIPs that are wanted; `index` is its place among these. */
export interface VipTrouble {
  index: number
  message: string
}

/**
 * What keeps machines that raise themselves from joining VIPs by themselves; empty when nothing does. They are edges:
 * they carry no VIP of their own, and answer `GET /` without a token with a denial, which no check takes for health.
 */
export function vipTroubles(clusters: readonly Cluster[], vips: readonly string[]): VipTrouble[] {
  const known = new Map(clusters.flatMap(cluster => cluster.vip2ws.map(vip => [vip.vip, { cluster, vip }])))
  return vips.flatMap((wanted, index) => {
    const found = known.get(wanted)
    if (!found) return [{ index, message: `there is no VIP ${wanted}: POST /lvs/{name}/vips adds one` }]
    return messages(found.cluster, found.vip).map(message => ({ index, message }))
  })
}

function messages({ name, policy = 'manual' }: Cluster, vip: Vip): string[] {
  const kind = kindOf(vip)
  const asked = portsOf(vip).filter(port => port.protocol === 'tcp' && port.check !== 'tcp')
  return [
    ...(policy === 'manual'
      ? [
          `cluster ${name} of ${vip.vip} is manual, and a machine joins by itself: PUT /lvs/${name}/policy {"policy": "rolling"}`,
        ]
      : []),
    ...(kind === 'DR' || kind === 'TUN'
      ? [`${vip.vip} is of kind ${kind}, which needs it on every host: give it the kind FNAT or NAT`]
      : []),
    ...asked.map(
      ({ sport }) =>
        `port ${sport} of ${vip.vip} is checked by GET /, which an edge refuses without a token: PATCH /lvs/${name}/ports {"vip": "${vip.vip}", "sport": ${sport}, "port": {"check": "tcp"}}`,
    ),
  ]
}
