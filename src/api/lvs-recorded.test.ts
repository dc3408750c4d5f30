import { expect, test } from 'vitest'
import { ADMIN } from '../../test/support/api.js'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster } from '../../test/support/lvs/example.js'

const api = await lvsApi()
const CLUSTER = 'hy-outer-global-proxy-test'

/** What a client of the original puts on the wire, lists and dicts as Python dumps them, and what it reads then. */
const vip2ws =
  '%5B%7B%22wstype%22%3A+%22apps%22%2C+%22vip%22%3A+%2260.28.208.1%22%2C+%22wss%22%3A+%5B%22apps-extngtest0-bgp0.hy01%22%5D%2C+%22ports%22%3A+%5B%7B%22dport%22%3A+80%2C+%22synproxy%22%3A+1%2C+%22sport%22%3A+80%2C+%22persistence_timeout%22%3A+50%7D%2C+%7B%22dport%22%3A+443%2C+%22synproxy%22%3A+1%2C+%22sport%22%3A+443%2C+%22persistence_timeout%22%3A+50%7D%5D%7D%2C+%7B%22wstype%22%3A+%22search%22%2C+%22vip%22%3A+%2260.28.208.2%22%2C+%22wss%22%3A+%5B%22search-extngtest0-bgp0.hy01%22%5D%2C+%22ports%22%3A+%5B%7B%22dport%22%3A+80%2C+%22synproxy%22%3A+1%2C+%22sport%22%3A+80%2C+%22persistence_timeout%22%3A+50%7D%2C+%7B%22dport%22%3A+443%2C+%22synproxy%22%3A+1%2C+%22sport%22%3A+443%2C+%22persistence_timeout%22%3A+50%7D%5D%7D%5D'
const lbinfos =
  '%5B%7B%22internalgateway%22%3A+%2210.0.19.225%22%2C+%22routerid%22%3A+%2260.29.246.186%22%2C+%22internalip%22%3A+%2210.0.19.226%22%2C+%22internalnetmask%22%3A+%22255.255.255.224%22%2C+%22extragateway%22%3A+%2260.29.246.185%22%2C+%22ospfnet%22%3A+%2260.29.246.184%2F30%22%2C+%22extraip%22%3A+%2260.29.246.186%22%2C+%22hostname%22%3A+%22sa-extlbtest0-bgp0.hy01%22%2C+%22extranetmask%22%3A+%22255.255.255.252%22%7D%5D'
const vipnets =
  '%5B%2260.28.208.0%2F25%22%2C+%22123.150.178.128%2F25%22%2C+%22125.39.93.48%2F28%22%2C+%22125.39.216.0%2F25%22%5D'
const lb1 =
  '%5B%7B%22internalgateway%22%3A+%2210.0.19.193%22%2C+%22routerid%22%3A+%2260.29.246.190%22%2C+%22internalip%22%3A+%2210.0.19.194%22%2C+%22internalnetmask%22%3A+%22255.255.255.224%22%2C+%22extragateway%22%3A+%2260.29.246.189%22%2C+%22ospfnet%22%3A+%2260.29.246.188%2F30%22%2C+%22extraip%22%3A+%2260.29.246.190%22%2C+%22hostname%22%3A+%22sa-extlbtest1-bgp0.hy01%22%2C+%22extranetmask%22%3A+%22255.255.255.252%22%7D%5D'

const done = (message: string) => ({ status: 'success', message })
const of = (path = '') => `/api/v1/lvs/${CLUSTER}${path}`

const RECORDED: [string, string, string | null, unknown][] = [
  ['GET', '/api/v1/lvs/', null, { status: 'success', message: [] }],
  [
    ...(['POST', '/api/v1/lvs/'] as const),
    `name=${CLUSTER}&type=extra&device=em1&vipnets=${vipnets}&vip2ws=${vip2ws}&lbinfos=${lbinfos}`,
    done('cluster has been added successfully'),
  ],
  ['GET', of(), null, { status: 'success', message: exampleCluster() }],
  ['GET', '/api/v1/lvs/vips', null, ['60.28.208.1', '60.28.208.2']],
  ['GET', '/api/v1/lvs/lbs', null, ['sa-extlbtest0-bgp0.hy01']],
  [
    ...(['POST', of('/vips')] as const),
    'cfg_push=True&vip2ws=%5B%7B%22vip%22%3A+%2260.28.208.3%22%2C+%22wstype%22%3A+%22img%22%2C+%22wss%22%3A+%5B%22apps-extngtest0-bgp0.hy01%22%5D%7D%5D',
    done('vip has been added successfully'),
  ],
  [
    ...(['POST', of('/lbs')] as const),
    ...([`lbinfos=${lb1}&cfg_push=False`, done('lb has been added successfully')] as const),
  ],
  [
    ...(['POST', of('/wss')] as const),
    'vip2ws=%5B%7B%22vip%22%3A+%2260.28.208.3%22%2C+%22wss%22%3A+%5B%22search-extngtest0-bgp0.hy01%22%5D%7D%5D',
    done('ws has been added successfully'),
  ],
  [
    ...(['DELETE', of('/wss')] as const),
    'vip2ws=%5B%7B%22vip%22%3A+%2260.28.208.3%22%2C+%22wss%22%3A+%5B%22apps-extngtest0-bgp0.hy01%22%5D%7D%5D',
    done('ws has been deleted successfully'),
  ],
  [
    ...(['POST', of('/ports')] as const),
    'vip=60.28.208.3&ports=%5B%7B%22sport%22%3A+8080%2C+%22dport%22%3A+80%2C+%22synproxy%22%3A+0%2C+%22persistence_timeout%22%3A+0%7D%5D',
    done('port has been added successfully'),
  ],
  [
    ...(['PATCH', of('/ports')] as const),
    'vip=60.28.208.3&sport=8080&port=%7B%22dport%22%3A+8080%7D',
    done('port has been modified successfully'),
  ],
  [
    ...(['DELETE', of('/ports')] as const),
    ...(['vip=60.28.208.3&sports=%5B80%2C+443%5D', done('port has been deleted successfully')] as const),
  ],
  [
    ...(['PATCH', of('/wstype')] as const),
    ...(['vip=60.28.208.3&wstype=pictures', done('wstype has been modified successfully')] as const),
  ],
  ['POST', '/api/v1/lvs/sync', `name=${CLUSTER}`, done('cluster has been synced successfully')],
  [
    ...(['GET', of(), null] as const),
    {
      status: 'success',
      message: {
        vip2ws: [
          ...exampleCluster().vip2ws,
          {
            ...{ vip: '60.28.208.3', wstype: 'pictures', wss: ['search-extngtest0-bgp0.hy01'] },
            ports: [{ sport: 8080, dport: 8080, synproxy: 0, persistence_timeout: 0 }],
          },
        ],
      },
    },
  ],
  // Arguments of the original may stand in the query as well.
  ['DELETE', of('/vips?vips=%5B%2260.28.208.3%22%5D'), null, done('vip has been deleted successfully')],
  [
    ...(['DELETE', of('/lbs?lbs=%5B%22sa-extlbtest1-bgp0.hy01%22%5D'), null] as const),
    done('lb has been deleted successfully'),
  ],
  [
    ...(['DELETE', of('/vips'), 'vips=%5B%2260.28.208.3%22%5D'] as const),
    {
      status: 'failed',
      message: 'vip delete failed: vips.0: there is no VIP 60.28.208.3 in the cluster',
    },
  ],
  ['GET', of(), null, { status: 'success', message: exampleCluster() }],
  ['DELETE', of(), null, done('cluster has been deleted successfully')],
  [
    ...(['GET', of(), null] as const),
    { status: 'failed', message: `cluster get failed: There is no cluster called "${CLUSTER}".` },
  ],
]

test('S4-4: the calls of the original, as its clients send them, are answered as it did', async () => {
  for (const [method, path, body, expected] of RECORDED) {
    const answer = await fetch(api.url + path, {
      method,
      body,
      headers: {
        authorization: `App ${ADMIN}`,
        accept: '*/*',
        ...(body !== null && { 'content-type': 'application/x-www-form-urlencoded' }),
      },
    })
    expect([method, path, answer.status, await answer.json()]).toMatchObject([method, path, 200, expected])
  }
  // Every change but the one with cfg_push=False.
  expect(api.engine.started.map(each => each.workflow)).toEqual(Array(11).fill('cluster.sync'))
})
