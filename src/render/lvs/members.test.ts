import { expect, test } from 'vitest'
import { exampleCluster, exampleWith } from '../../../test/support/lvs/example.js'
import { desertedBy, joining, standing } from './members.js'

const [one, two] = ['60.28.208.1', '60.28.208.2']
const [apps, search] = ['apps-extngtest0-bgp0.hy01', 'search-extngtest0-bgp0.hy01']
const other = exampleWith({ cluster: { name: 'other', vip2ws: [] } })

test('hosts join the VIPs that are named, in the clusters that have them', () => {
  const members = joining([other, exampleCluster()], [two, one, '10.0.0.1'], ['ws-1.a.test', 'ws-2.a.test'])
  expect(members).toEqual([
    {
      cluster: exampleCluster(),
      vip2ws: [one, two].map(vip => ({ vip, wss: ['ws-1.a.test', 'ws-2.a.test'] })),
    },
  ])
  expect(joining([exampleCluster()], [], ['ws-1.a.test'])).toEqual([])
})

test('hosts are found where they stand, and a VIP that would lose its last one is named', () => {
  const cluster = exampleWith({ vip: { wss: [apps, search] } })
  const members = standing([other, cluster], [search, 'ws-1.a.test'])
  expect(members).toEqual([
    {
      cluster,
      vip2ws: [
        { vip: one, wss: [search] },
        { vip: two, wss: [search] },
      ],
    },
  ])
  expect(desertedBy(members)).toEqual([two])
  expect(desertedBy(standing([cluster], [apps]))).toEqual([])
  expect(standing([cluster], [])).toEqual([])
})
