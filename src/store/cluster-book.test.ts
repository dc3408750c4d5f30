import { describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { fakeClusters } from '../../test/support/fake-clusters.js'
import { exampleCluster, exampleHosts, exampleWith } from '../../test/support/lvs/example.js'
import type { ClusterBook, Observation } from '../ports/clusters.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { figuresOf } from '../render/lvs/figures.js'
import { createClusterBook } from './cluster-book.js'

const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))
const { name } = exampleCluster()
const LB = 'sa-extlbtest0-bgp0.hy01'
const observed: Observation = {
  ...{ current: 'a'.repeat(64), good: null, addresses: ['60.28.208.1'], neighbours: ['60.29.246.185'] },
  services: [
    {
      ...{ vip: '60.28.208.1', port: 80, protocol: 'tcp', scheduler: 'wrr' },
      ...{ connections: 3, inBytes: 10, outBytes: 2 ** 40 },
      hosts: [{ address: '10.0.20.11', port: 80, weight: 100, active: 1, inactive: 2, connections: 3 }],
    },
  ],
}

// The fake of the job tests keeps the same promises as the store.
describe.each([
  ['the store', async () => createClusterBook(await testDatabase())],
  ['the fake', async (): Promise<ClusterBook> => fakeClusters()],
])('the book of clusters: %s', (_what, open) => {
  const write = (book: ClusterBook, change: string, after: number, cluster: Cluster = exampleCluster()) =>
    book.write({ cluster, hosts, after, change, actor: 'ann', note: '' })

  test('a change is written once, and found by its name for ever', async () => {
    const book = await open()
    expect(await write(book, 'c1', 0)).toBe('written')
    expect(await write(book, 'c2', 1, exampleWith({ vip: { wstype: 'web' } }))).toBe('written')
    expect(await write(book, 'c1', 0)).toBe('written')
    expect(await write(book, 'c3', 1)).toBe('conflict')
    expect(await book.get(name)).toMatchObject({ version: 2, change: 'c2', actor: 'ann' })
    expect(await book.get(name, 'c1')).toMatchObject({ version: 1, cluster: exampleCluster(), hosts })
    expect(await book.version(name, 1)).toMatchObject({ change: 'c1' })
    expect([await book.get(name, 'c3'), await book.version(name, 3), await book.get('none')]).toEqual([
      ...[null, null, null],
    ])
    expect((await book.all()).map(each => each.version)).toEqual([2])
  })

  test('what is noted of a balancer stays over the next document, and goes with the balancer', async () => {
    const book = await open()
    await write(book, 'c1', 0)
    await book.rendered(name, 1, 'b'.repeat(64))
    const observedAt = new Date('2026-01-02T00:00:00Z')
    await book.note(LB, { observed, observedAt, reloading: true, revision: 'b'.repeat(64), version: 1 })
    await book.note('nobody', { error: 'not there' })
    await write(book, 'c2', 1, exampleWith({ vip: { wstype: 'web' } }))
    expect(await book.version(name, 1)).toMatchObject({ revision: 'b'.repeat(64) })
    expect(await book.balancer(LB)).toStrictEqual({
      ...{ hostname: LB, cluster: name, revision: 'b'.repeat(64), version: 1, good: null, goodVersion: null },
      ...{ reloading: true, drained: false, hostKey: null, observed, error: null, unreached: null },
      observedAt: observedAt.toISOString(),
    })
    await book.note(LB, { observed: null })
    expect(await book.balancers(name)).toMatchObject([{ hostname: LB, observed: null, version: 1 }])
    await write(book, 'c3', 2, exampleWith({ lb: { hostname: 'other.hy01' } }))
    expect(await book.balancer(LB)).toBeNull()
    expect(await book.balancers(name)).toMatchObject([{ hostname: 'other.hy01', version: null }])
  })

  test('S4-4: a look is noted; one that reached nobody leaves what was seen before', async () => {
    const book = await open()
    await write(book, 'c1', 0)
    expect(await book.watched()).toEqual([])
    await book.note(LB, { version: 1, revision: 'b'.repeat(64), error: 'did not prove itself' })
    expect(await book.watched()).toMatchObject([{ hostname: LB, drift: [], unreached: null }])
    const drift = [{ path: 'vip', what: "it's gone", since: '2026-01-01T00:00:00.000Z', told: true }]
    const at = new Date('2026-01-02T00:00:00Z')
    const figures = figuresOf(exampleCluster(), observed)
    await book.looked([{ hostname: LB, unreached: null, observed, drift, figures }], at)
    const seen = { observed, observedAt: at.toISOString(), error: 'did not prove itself' }
    expect(await book.balancer(LB)).toMatchObject({ ...seen, unreached: null })
    expect(await book.watched()).toMatchObject([{ drift, observedAt: at.toISOString() }])
    await book.looked(
      [
        { hostname: LB, unreached: 'timeout', drift: [] },
        { hostname: 'nobody', unreached: '', drift: [] },
      ],
      new Date(),
    )
    expect(await book.balancer(LB)).toMatchObject({ ...seen, unreached: 'timeout' })
    expect(await book.watched()).toMatchObject([{ drift: [], unreached: 'timeout' }])
  })
})

test('what was published never goes back', async () => {
  const db = await testDatabase()
  const book = createClusterBook(db)
  await book.write({ cluster: exampleCluster(), hosts, after: 0, change: 'c1', actor: 'ann', note: '' })
  for (const version of [2, 1]) await book.published(name, version)
  expect(await db.lvsCluster.findUnique({ where: { name } })).toMatchObject({ published: 2 })
})
