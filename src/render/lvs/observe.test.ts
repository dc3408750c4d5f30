import { expect, test } from 'vitest'
import {
  parseAddresses,
  parseIpvs,
  parseNeighbours,
  parseNeighbourTable,
  readObservation,
} from './observe.js'

const LISTING = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  198.18.100.1:80 wrr persistent 50
  -> 198.18.20.11:80              Masq    100    3          12
  -> 198.18.20.12:80              Masq    0      0          1
UDP  198.18.100.1:53 mh (mh-fallback,mh-port)
  -> 198.18.20.11:53              Route   100    0          0
TCP  198.18.100.2:443 rr
`
const STATS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  198.18.100.1:80                   120      700      650    90000  1200000
  -> 198.18.20.11:80                   100      600      550    80000  1100000
  -> 198.18.20.12:80                    20      100      100    10000   100000
UDP  198.18.100.1:53                     7        7        7      420      840
  -> 198.18.20.11:53                     7        7        7      420      840
TCP  198.18.100.2:443                    0        0        0        0        0
`

test('S4-2: services, hosts, weights and counters of a balancer', () => {
  expect(parseIpvs(LISTING, STATS)).toEqual([
    {
      ...{ vip: '198.18.100.1', port: 80, protocol: 'tcp', scheduler: 'wrr' },
      ...{ connections: 120, inBytes: 90_000, outBytes: 1_200_000 },
      hosts: [
        { address: '198.18.20.11', port: 80, weight: 100, active: 3, inactive: 12, connections: 100 },
        { address: '198.18.20.12', port: 80, weight: 0, active: 0, inactive: 1, connections: 20 },
      ],
    },
    {
      ...{ vip: '198.18.100.1', port: 53, protocol: 'udp', scheduler: 'mh' },
      ...{ connections: 7, inBytes: 420, outBytes: 840 },
      hosts: [{ address: '198.18.20.11', port: 53, weight: 100, active: 0, inactive: 0, connections: 7 }],
    },
    {
      vip: '198.18.100.2',
      port: 443,
      protocol: 'tcp',
      scheduler: 'rr',
      connections: 0,
      inBytes: 0,
      outBytes: 0,
      hosts: [],
    },
  ])
})

test('hostile or empty text gives no services', () => {
  expect(parseIpvs('', '')).toEqual([])
  expect(parseIpvs('TCP  [2001:db8::1]:80 rr\n  -> 1.2.3.4:80 Masq 1 1 1', 'nonsense')).toEqual([])
})

test('VIPs on lo, without the machine itself', () => {
  const text = `1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever
1: lo    inet 198.18.100.1/32 scope global lo\\       valid_lft forever`
  expect(parseAddresses(text)).toEqual(['198.18.100.1'])
})

test('neighbours that are Full', () => {
  const text = JSON.stringify({
    neighbors: {
      '198.18.0.1': [{ nbrState: 'Full/-' }],
      '198.18.0.2': [{ state: 'Init/-' }],
      '198.18.0.3': [{ state: 'Full/DR' }],
    },
  })
  expect(parseNeighbours(text)).toEqual(['198.18.0.1', '198.18.0.3'])
  expect(() => parseNeighbours('% OSPF is not running')).toThrow()
})

/** As Quagga writes it: `%-15s %3d %-15s %9s %-15s %-20s %5ld %5ld %5d`. */
const TABLE = `
Neighbor ID     Pri State           Dead Time Address         Interface            RXmtL RqstL DBsmL
198.18.0.4        1 Full/DROther      10.021s 198.18.0.4      em1:198.18.0.9           0     0     0
198.18.0.1        1 Full/DR            9.731s 198.18.0.1      em1:198.18.0.9           0     0     0
198.18.0.2        1 Init/DROther      11.112s 198.18.0.2      em1:198.18.0.9           0     0     0
198.18.0.3      128 Full/Backup       11.000s 198.18.0.3      em1:198.18.0.9           0     0     0
198.18.0.1        1 Full/DR            9.731s 198.18.4.1      em2:198.18.4.9           0     0     0
-                 0 Attempt/DROther  inactive 198.18.0.6      em1:198.18.0.9           0     0     0
`

/** As FRR writes it. */
const LONG = `
Neighbor ID     Pri State           Up Time         Dead Time Address         Interface                        RXmtL RqstL DBsmL
198.18.0.5        1 Full/-          1h02m03s          11.612s 198.18.0.5      em1:198.18.0.9                       0     0     0
`

test('neighbours that are Full, where the daemon has no JSON', () => {
  expect(parseNeighbourTable(TABLE)).toEqual(['198.18.0.1', '198.18.0.3', '198.18.0.4'])
  expect(parseNeighbourTable(LONG)).toEqual(['198.18.0.5'])
  expect(parseNeighbourTable(' OSPF Routing Process not enabled')).toEqual([])
})

const REVISION = 'a'.repeat(64)
const observed = (neighbours: string) => `== current
${REVISION}
== good

== listing
${LISTING}== stats
${STATS}== addresses
1: lo    inet 198.18.100.1/32 scope global lo\\       valid_lft forever
== neighbours
${neighbours}
== end
`

test('S4-4: an observation, section by section', () => {
  const seen = readObservation(observed('{"neighbors":{"198.18.0.1":[{"nbrState":"Full/-"}]}}'))
  expect(seen).toMatchObject({ current: REVISION, good: null, addresses: ['198.18.100.1'] })
  expect(seen.services).toEqual(parseIpvs(LISTING, STATS))
  expect(seen.neighbours).toEqual(['198.18.0.1'])
})

test('an observation of a balancer whose daemon has no JSON', () => {
  expect(readObservation(observed(TABLE)).neighbours).toEqual(['198.18.0.1', '198.18.0.3', '198.18.0.4'])
})

test('a routing daemon that says something else has no neighbours', () => {
  expect(readObservation(observed('% OSPF is not running')).neighbours).toEqual([])
  expect(readObservation(observed("% Can't open it\n{}")).neighbours).toEqual([])
})

test('a text that was cut off is no observation', () => {
  expect(() => readObservation(observed('{}').replace('== end\n', ''))).toThrow('not whole')
  expect(() => readObservation('')).toThrow('not whole')
})
