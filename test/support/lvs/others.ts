import type { Cluster, Lb, Vip } from '../../../src/render/lvs/cluster-schema.js'

/** A VIP with the host of the example's first one. */
export const vipAt = (vip: string, change: Partial<Vip> = {}): Vip => ({
  ...{ vip, wstype: 'apps', wss: ['apps-extngtest0-bgp0.hy01'], ...change },
})

/** A second balancer for the example. */
export const secondLb: Lb = {
  ...{ hostname: 'sa-extlbtest1-bgp0.hy01', routerid: '60.29.246.190', internalip: '10.0.19.194' },
  ...{ internalnetmask: '255.255.255.224', internalgateway: '10.0.19.193', ospfnet: '60.29.246.188/30' },
  ...{ extraip: '60.29.246.190', extranetmask: '255.255.255.252', extragateway: '60.29.246.189' },
}

/** A cluster, without VIPs, that has nothing in common with the example. `subnet` keeps several apart. */
export const innerCluster = (change: Partial<Cluster> = {}, subnet = 0): Cluster => ({
  ...{ name: 'inner', type: 'internal', device: 'eth0', vipnets: ['10.9.0.0/24'], vip2ws: [] },
  lbinfos: [
    {
      ...{ hostname: `in-lb${subnet}.hy01`, routerid: `10.8.${subnet}.2`, internalip: `10.8.${subnet}.2` },
      ...{ ospfnet: `10.8.${subnet}.0/24`, internalnetmask: '255.255.255.0' },
      internalgateway: `10.8.${subnet}.1`,
    },
  ],
  ...change,
})
