import { describe, expect, test } from 'vitest'
import { exampleCluster, exampleWith } from '../../../test/support/lvs/example.js'
import {
  addBalancers,
  addHosts,
  addPorts,
  addVips,
  changePort,
  changeWstype,
  type EditError,
  removeBalancers,
  removeHosts,
  removePorts,
  removeVips,
} from './edits.js'

const VIP = '60.28.208.1'
const OTHER = 'search-extngtest0-bgp0.hy01'
const first = (cluster: ReturnType<typeof exampleCluster>) => cluster.vip2ws[0]

describe('S4-4: edits of a cluster', () => {
  test('what is added can be taken away again, and nothing else changes', () => {
    const cluster = exampleCluster()
    const [vip] = cluster.vip2ws
    const [lb] = cluster.lbinfos
    if (!vip || !lb) throw new Error('an empty example')
    expect(removeVips(addVips(cluster, [{ ...vip, vip: '60.28.208.9' }]), ['60.28.208.9'])).toEqual(cluster)
    expect(removeBalancers(addBalancers(cluster, [{ ...lb, hostname: 'lb2.hy01' }]), ['lb2.hy01'])).toEqual(
      cluster,
    )
    expect(
      removeHosts(addHosts(cluster, [{ vip: VIP, wss: [OTHER] }]), [{ vip: VIP, wss: [OTHER] }]),
    ).toEqual(cluster)
    expect(removePorts(addPorts(cluster, VIP, [{ sport: 81, dport: 81 }]), VIP, [81])).toEqual(cluster)
    expect(cluster).toEqual(exampleCluster())
  })

  test('a change of a port keeps what it does not name', () => {
    expect(first(changePort(exampleCluster(), VIP, 80, { dport: 8080 }))?.ports?.[0]).toEqual({
      dport: 8080,
      synproxy: 1,
      sport: 80,
      persistence_timeout: 50,
    })
  })

  test('a VIP without ports has its two before one is added', () => {
    const { ports: _, ...vip } = exampleCluster().vip2ws[0] ?? { ports: [] }
    const bare = { ...exampleCluster(), vip2ws: [vip as never] }
    expect(first(addPorts(bare, VIP, [{ sport: 81, dport: 81 }]))?.ports?.map(port => port.sport)).toEqual([
      80, 443, 81,
    ])
  })

  test('another wstype', () => {
    expect(first(changeWstype(exampleCluster(), VIP, 'web'))?.wstype).toBe('web')
  })

  test.each<[string, () => unknown, string]>([
    ['a VIP that is there', () => addVips(exampleCluster(), exampleCluster().vip2ws), 'vip2ws.0.vip'],
    ['a VIP that is not there', () => removeVips(exampleCluster(), ['1.2.3.4']), 'vips.0'],
    [
      'a balancer that is there',
      () => addBalancers(exampleCluster(), exampleCluster().lbinfos),
      'lbinfos.0.hostname',
    ],
    ['a balancer that is not there', () => removeBalancers(exampleCluster(), ['none']), 'lbs.0'],
    [
      'a host that is there',
      () => addHosts(exampleCluster(), [{ vip: VIP, wss: ['apps-extngtest0-bgp0.hy01'] }]),
      'vip2ws.0.wss.0',
    ],
    [
      'a host that is not there',
      () => removeHosts(exampleCluster(), [{ vip: VIP, wss: [OTHER] }]),
      'vip2ws.0.wss.0',
    ],
    [
      'the last host',
      () => removeHosts(exampleCluster(), [{ vip: VIP, wss: ['apps-extngtest0-bgp0.hy01'] }]),
      'vip2ws.0.wss',
    ],
    [
      'a port that is there',
      () => addPorts(exampleCluster(), VIP, [{ sport: 80, dport: 81 }]),
      'ports.0.sport',
    ],
    ['a port that is not there', () => removePorts(exampleCluster(), VIP, [81]), 'sports.0'],
    [
      'the last port',
      () => removePorts(exampleWith({ vip: { ports: [{ sport: 80, dport: 80 }] } }), VIP, [80]),
      'sports',
    ],
    ['a change of no port', () => changePort(exampleCluster(), VIP, 81, {}), 'sport'],
    ['a change of no VIP', () => changeWstype(exampleCluster(), '1.2.3.4', 'web'), 'vip'],
  ])('%s is refused with its path', (_name, edit, path) => {
    expect(edit).toThrow(expect.objectContaining({ name: 'EditError', path }) as EditError)
  })
})
