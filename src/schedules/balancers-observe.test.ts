import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { HOST_KEY, refusal } from '../../test/support/fake-providers.js'
import { exampleCluster } from '../../test/support/lvs/example.js'
import type { ExecResult, SshHost } from '../ports/ssh.js'
import type { Cluster } from '../render/lvs/cluster-schema.js'
import { balancersObserve } from './balancers-observe.js'

const REVISION = 'a'.repeat(64)
const VIP = '60.28.208.1'
let world: World
/** What each balancer says, by its address; an error: it is not reached. */
let says: Map<string, Partial<ExecResult> | Error>
let asked: string[]

/** A cluster with one VIP of one port. Addresses of balancers: 10.<index>.0.<number>. */
function cluster(index: number, balancers = 1): Cluster {
  const [vip] = exampleCluster().vip2ws
  const [lb] = exampleCluster().lbinfos
  if (!vip || !lb) throw new Error('no example')
  return {
    ...exampleCluster(),
    name: `c${index}`,
    vip2ws: [{ ...vip, wss: ['ws1'], ports: [{ sport: 80, dport: 80 }] }],
    lbinfos: Array.from({ length: balancers }, (_, number) => ({
      ...{ ...lb, hostname: `lb${number}.c${index}`, internalip: `10.${index}.0.${number + 1}` },
      ssh: { hostKey: HOST_KEY },
    })),
  }
}

interface Doing {
  current?: string
  addresses?: string[]
  services?: string[]
  neighbours?: string[]
}

const observation = ({
  current = REVISION,
  addresses = [VIP],
  services = [`TCP  ${VIP}:80 wrr\n  -> 10.0.20.11:80  Masq  100  3  12`],
  neighbours = ['60.29.246.185'],
}: Doing = {}): Partial<ExecResult> => ({
  stdout: [
    ...['== listing', ...services, '== stats', '== current', current, '== good', current, '== addresses'],
    ...addresses.map(address => `1: lo    inet ${address}/32 scope global lo`),
    '== neighbours',
    JSON.stringify({ neighbors: Object.fromEntries(neighbours.map(id => [id, [{ nbrState: 'Full/-' }]])) }),
    '== end\n',
  ].join('\n'),
})

beforeEach(() => {
  world = fakeWorld()
  says = new Map()
  asked = []
  world.resolver.addresses = async names => new Map(names.map(name => [name, name]))
  world.ssh.exec = async ({ address }: SshHost) => {
    asked.push(address)
    const answer = says.get(address) ?? observation()
    if (answer instanceof Error) throw answer
    return { code: 0, stdout: '', stderr: '', ...answer }
  }
})

afterEach(() => void vi.restoreAllMocks())

async function publish(document: Cluster, change = 'x1', after = 0): Promise<void> {
  const hosts = new Map([['ws1', '10.0.20.11']])
  await world.clusters.write({ cluster: document, hosts, after, change, actor: 'ann', note: '' })
  for (const { hostname } of document.lbinfos) {
    const version = { version: after + 1, goodVersion: after + 1 }
    await world.clusters.note(hostname, { revision: REVISION, good: REVISION, ...version })
  }
}

const look = () =>
  balancersObserve.run({
    ...{ ports: world.ports, signal: new AbortController().signal, since: new Date(0) },
    log: () => undefined,
    start: async () => null,
  })

/** What the operators were told: kind and balancer of each. */
const told = () => world.notices.told.map(once => once.split(':').slice(0, 2).join(' '))

const row = (hostname: string) => world.clusters.rows.get(hostname)

test('S4-4: what a balancer does is noted with the time', async () => {
  await publish(cluster(1))
  expect(await look()).toEqual({ looked: 1, unreached: [] })
  expect(row('lb0.c1')).toMatchObject({
    ...{ observedAt: '2026-01-01T00:00:00.000Z', unreached: null },
    observed: { current: REVISION, addresses: [VIP], services: [{ vip: VIP, hosts: [{ active: 3 }] }] },
  })
  expect(world.notices.told).toEqual([])
})

test('a balancer that was never given a revision is left alone', async () => {
  await world.clusters.write({
    ...{ cluster: cluster(1), hosts: new Map(), after: 0, change: 'x', actor: 'ann', note: '' },
  })
  expect(await look()).toEqual({ looked: 0, unreached: [] })
  expect(asked).toEqual([])
})

test.each<[string, Doing, string]>([
  ['another revision is in force', { current: 'b'.repeat(64) }, 'lb lb0.c1'],
  ['a service is missing', { services: [] }, `vip ${VIP} port 80`],
  ['a VIP is missing', { addresses: [] }, `vip ${VIP}`],
  ['a VIP stands there that nobody wants', { addresses: [VIP, '60.28.208.9'] }, 'vip 60.28.208.9'],
  ['it has no neighbour', { neighbours: [] }, 'lb lb0.c1'],
])('S4-4: %s: told once, at the second look, and again after it was well', async (_, doing, path) => {
  await publish(cluster(1))
  says.set('10.1.0.1', observation(doing))
  await look()
  expect(told()).toEqual([])
  expect(await world.clusters.watched()).toMatchObject([{ drift: [{ path, told: false }] }])
  await look()
  await look()
  expect(told()).toEqual(['balancer-drift lb0.c1'])
  says.clear()
  await look()
  await look()
  expect(told()).toEqual(['balancer-drift lb0.c1', 'balancer-well lb0.c1'])
  world.clock.time = new Date('2026-01-01T01:00:00Z')
  says.set('10.1.0.1', observation(doing))
  await look()
  await look()
  expect(told().at(-1)).toBe('balancer-drift lb0.c1')
  expect(told()).toHaveLength(3)
})

test('what passes by itself is told to nobody', async () => {
  await publish(cluster(1))
  says.set('10.1.0.1', refusal('ECONNREFUSED'))
  await look()
  says.set('10.1.0.1', observation({ addresses: [] }))
  await look()
  says.clear()
  await look()
  expect(told()).toEqual([])
})

test('S4-4: a balancer that cannot be reached: told once, and once when it is well again', async () => {
  await publish(cluster(1, 2))
  await look()
  says.set('10.1.0.2', refusal('ECONNREFUSED'))
  for (let times = 0; times < 3; times += 1) await look()
  expect(told()).toEqual(['balancer-unreachable lb1.c1'])
  // What was seen before stays, and why it did not prove itself is another matter.
  expect(row('lb1.c1')).toMatchObject({
    ...{ unreached: 'refused: ECONNREFUSED', error: null, observed: { addresses: [VIP] } },
  })
  says.clear()
  await look()
  expect(told()).toEqual(['balancer-unreachable lb1.c1', 'balancer-well lb1.c1'])
  expect(row('lb1.c1')).toMatchObject({ unreached: null })
})

test('a gap that was told is not told anew because its balancer was away for a moment', async () => {
  await publish(cluster(1))
  says.set('10.1.0.1', observation({ addresses: [] }))
  await look()
  await look()
  says.set('10.1.0.1', refusal('ECONNREFUSED'))
  await look()
  says.set('10.1.0.1', observation({ addresses: [] }))
  await look()
  await look()
  expect(told()).toEqual(['balancer-drift lb0.c1'])
})

test('none of many is reached: one notice that points at us', async () => {
  await publish(cluster(1, 3))
  for (const number of [1, 2, 3]) says.set(`10.1.0.${number}`, refusal('EHOSTUNREACH'))
  for (let times = 0; times < 3; times += 1) await look()
  expect(told()).toEqual(['balancers-silent 2026-01-01T00'])
  says.delete('10.1.0.1')
  await look()
  expect(told()).toEqual([
    ...['balancers-silent 2026-01-01T00', 'balancer-unreachable lb1.c1', 'balancer-unreachable lb2.c1'],
  ])
})

test('one that never answers is given up, and delays nobody', async () => {
  await publish(cluster(1, 2))
  const patience = new AbortController()
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(patience.signal)
  const { exec } = world.ssh
  world.ssh.exec = async (host: SshHost, argv: readonly string[], ...[, signal]: unknown[]) => {
    if (host.address !== '10.1.0.1') return exec(host, argv)
    const over = signal as AbortSignal
    return new Promise<never>((_, reject) => over.addEventListener('abort', () => reject(over.reason)))
  }
  const looking = look()
  await vi.waitFor(() => expect(row('lb1.c1')?.observed).not.toBeNull())
  expect(row('lb0.c1')?.unreached).toBeNull()
  patience.abort()
  expect(await looking).toEqual({ looked: 2, unreached: ['lb0.c1'] })
  expect(row('lb0.c1')).toMatchObject({ unreached: 'no answer within 8 s', observed: null })
})

test('manual: what was published and not reloaded yet is not missing', async () => {
  await publish(cluster(1))
  const [vip] = cluster(1).vip2ws
  if (!vip) throw new Error('no VIP')
  const more = { ...cluster(1), vip2ws: [vip, { ...vip, vip: '60.28.208.2' }] }
  await world.clusters.write({
    ...{
      cluster: more,
      hosts: new Map([['ws1', '10.0.20.11']]),
      after: 1,
      change: 'x2',
      actor: 'a',
      note: '',
    },
  })
  await world.clusters.note('lb0.c1', { version: 2 })
  await look()
  await look()
  expect(told()).toEqual([])
  // Reloading, it is on its way to the new one.
  await world.clusters.note('lb0.c1', { reloading: true })
  await look()
  await look()
  expect(told()).toEqual(['balancer-drift lb0.c1'])
})

test('what a balancer did before its first reload by us is not judged', async () => {
  await publish(cluster(1))
  await world.clusters.note('lb0.c1', { goodVersion: null, good: null })
  says.set('10.1.0.1', observation({ services: [], addresses: ['198.18.9.9'] }))
  await look()
  await look()
  expect(told()).toEqual([])
})

test.each([
  ['nothing', ''],
  ['half of it', observation().stdout?.slice(0, 200) ?? ''],
  ['something else', '\u0000== end\n== addresses\n"; DROP TABLE "LvsBalancer"; --'],
])('a balancer that says %s was not seen', async (_, stdout) => {
  await publish(cluster(1))
  says.set('10.1.0.1', { stdout })
  expect(await look()).toEqual({ looked: 1, unreached: ['lb0.c1'] })
  expect(row('lb0.c1')).toMatchObject({
    observed: null,
    unreached: expect.stringContaining('cannot be read'),
  })
})

test('hostile answers: names of VIPs that nobody has are no figures, and gaps in a notice are counted', async () => {
  await publish(cluster(1))
  const addresses = Array.from({ length: 100 }, (_, index) => `60.28.208.${index + 10}`)
  says.set('10.1.0.1', observation({ addresses: [VIP, ...addresses] }))
  const texts: string[] = []
  const { tell } = world.notices
  world.notices.tell = async (notice: { once: string; text?: string }) => {
    texts.push(notice.text ?? '')
    return tell(notice)
  }
  await look()
  await look()
  expect(texts).toHaveLength(1)
  expect(texts[0]).toContain('and 95 more')
})

test('10 clusters of 20 balancers: a handful of questions to the store, whatever is found', async () => {
  for (let index = 1; index <= 10; index += 1) await publish(cluster(index, 20))
  world.calls.length = 0
  expect(await look()).toMatchObject({ looked: 200 })
  const counts = new Map<string, number>()
  for (const call of world.calls) counts.set(call, (counts.get(call) ?? 0) + 1)
  expect(counts.get('ssh.exec')).toBe(200)
  expect(counts.get('clusters.watched')).toBe(1)
  expect(counts.get('clusters.all')).toBe(1)
  expect(counts.get('resolver.addresses')).toBe(1)
  expect(counts.get('clusters.looked')).toBeLessThanOrEqual(40)
  expect([...counts.keys()].sort()).toEqual([
    ...['clock.now', 'clusters.all', 'clusters.looked', 'clusters.watched', 'resolver.addresses', 'ssh.exec'],
  ])
})
