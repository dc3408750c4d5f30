import { expect, test } from 'vitest'
import { exampleCluster } from '../../../test/support/lvs/example.js'
import { clusterOfHash, hashOfCluster } from './origin-import.js'

const name = exampleCluster().name

test('S4-6: the cluster of the original goes into its hash and comes back unchanged', () => {
  const hash = hashOfCluster(exampleCluster())
  expect(hash).toMatchObject({ name, type: 'extra', device: 'em1' })
  expect(hash.vipnets).toBe("['60.28.208.0/25', '123.150.178.128/25', '125.39.93.48/28', '125.39.216.0/25']")
  expect(clusterOfHash(name, hash)).toEqual({ cluster: exampleCluster(), ignored: [] })
  const canary = { ...exampleCluster(), policy: 'canary' as const }
  expect(clusterOfHash(name, hashOfCluster(canary))).toEqual({ cluster: canary, ignored: [] })
})

test('as Python 2 prints it, without its name, and with fields that are not of a cluster', () => {
  const { name: _, ...rest } = hashOfCluster(exampleCluster())
  const hash = {
    ...Object.fromEntries(Object.entries(rest).map(([key, text]) => [key, text.replaceAll(" '", " u'")])),
    ...{ type: "u'extra'", device: '"em1"', owner: 'somebody' },
  }
  expect(clusterOfHash(name, hash)).toEqual({ cluster: exampleCluster(), ignored: ['owner'] })
})

test('everything that is wrong is said at once, with its path', () => {
  const found = clusterOfHash(name, {
    ...hashOfCluster(exampleCluster()),
    name: 'other',
    type: 'both',
    vipnets: '[__import__("os")]',
    vip2ws: "[{'vip': '60.28.208.1', 'wstype': 'apps', 'wss': ['a b'], 'ports': [{'sport': 0}]}]",
    device: "'em1' + 'x'",
  })
  expect(found).toMatchObject({ cluster: null })
  const paths = 'violations' in found ? found.violations.map(each => each.path) : []
  expect(paths.sort()).toEqual([
    ...['device', 'name', 'type', 'vip2ws.0.ports.0.dport', 'vip2ws.0.ports.0.sport', 'vip2ws.0.wss.0'],
    'vipnets',
  ])
})

test('what a hash lacks is said', () => {
  const found = clusterOfHash('a', {})
  expect('violations' in found && found.violations.map(each => each.path)).toEqual([
    ...['type', 'device', 'vipnets', 'vip2ws', 'lbinfos'],
  ])
})
