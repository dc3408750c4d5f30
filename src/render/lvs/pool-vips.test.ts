import { expect, test } from 'vitest'
import { exampleCluster, exampleWith } from '../../../test/support/lvs/example.js'
import type { Cluster } from './cluster-schema.js'
import { vipTroubles } from './pool-vips.js'

const open = (change: Parameters<typeof exampleWith>[0] = {}): Cluster =>
  exampleWith({
    cluster: { policy: 'rolling' },
    ...change,
    vip: { ports: [{ sport: 443, dport: 443, check: 'tcp' }], ...change.vip },
  })
const troubles = (cluster: Cluster) => vipTroubles([cluster], ['60.28.208.1']).map(each => each.message)

test('S4-2: machines of a pool join a VIP whose balancers take them in by themselves and find them well', () => {
  expect(troubles(open())).toEqual([])
  expect(troubles(open({ vip: { kind: 'NAT' } }))).toEqual([])
  expect(troubles(open({ vip: { ports: [{ sport: 53, dport: 53, protocol: 'udp' }] } }))).toEqual([])
})

test('what keeps them away is told with the way out, for every VIP', () => {
  expect(vipTroubles([open()], ['60.28.208.1', '60.28.208.9'])).toEqual([
    { index: 1, message: 'there is no VIP 60.28.208.9: POST /lvs/{name}/vips adds one' },
  ])
  expect(troubles(open({ cluster: {} }))).toEqual([
    expect.stringContaining('cluster hy-outer-global-proxy-test of 60.28.208.1 is manual'),
  ])
  expect(troubles(open({ vip: { kind: 'DR' } }))).toEqual([expect.stringContaining('of kind DR')])
  expect(troubles({ ...exampleCluster(), policy: 'canary' })).toEqual([
    expect.stringContaining('port 80 of 60.28.208.1 is checked by GET /'),
    expect.stringContaining('"sport": 443, "port": {"check": "tcp"}'),
  ])
})
