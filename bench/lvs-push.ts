// One changed VIP of 200, brought to 20 balancers and to one: from the call to the end of the run, with engine, SQLite,
// Redis and SSH as they are. A balancer is an sshd with directories of its own, on this machine.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { generateSshKey } from '../src/adapters/ssh/keys.js'
import { createSsh } from '../src/adapters/ssh/ssh.js'
import { createRegistry } from '../src/core/registry.js'
import { jobs } from '../src/jobs/index.js'
import { systemClock } from '../src/ports/clock.js'
import type { Ports } from '../src/ports/index.js'
import { createEngine } from '../src/queue/engine.js'
import { startWorker } from '../src/queue/worker.js'
import type { Cluster } from '../src/render/lvs/cluster-schema.js'
import { openDatabase } from '../src/store/client.js'
import { createClusterBook } from '../src/store/cluster-book.js'
import { createSealer } from '../src/store/seal.js'
import { createVault } from '../src/store/vault.js'
import { syncCluster } from '../src/workflows/cluster-requests.js'
import { workflows } from '../src/workflows/index.js'
import { lvsTemplates } from '../test/support/lvs/templates.js'
import { startRedis } from '../test/support/redis.js'
import { type Sshd, startSshd } from '../test/support/sshd.js'
import { until } from '../test/support/wait.js'
import { changed, hostsOf, makeClusters } from './lvs-fleet.js'
import { compare, report } from './measure.js'

const BALANCERS = 20
const ROUNDS = 3
const LIMIT = 120_000

/*
 * In a mount namespace of its own, which ends with the sshd: everything that a push writes lies in memory, and none of
 * it on this machine. What looks at files there is a stand-in, for on balancers it is their processor, not ours.
 */
const OWN_PLACES = `
mount -t tmpfs tmpfs /var/lib
mkdir /var/lib/etc /var/lib/lazarus
cp -a /etc/passwd /etc/shadow /etc/group /etc/nsswitch.conf /etc/alternatives /etc/ld.so.cache /var/lib/etc
mount --bind /var/lib/etc /etc
mount -t tmpfs tmpfs /usr/local/sbin
for program in keepalived vtysh; do
  printf '#!/bin/sh\\necho "Keepalived v2.2.7" >&2\\n' >"/usr/local/sbin/$program"
  chmod 755 "/usr/local/sbin/$program"
done
export PATH="/usr/local/sbin:$PATH"
exec "$@"`
const within = ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', OWN_PLACES, 'sh']

const redis = await startRedis()
const directory = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
const db = await openDatabase(join(directory, 'bench.db'))
const user = generateSshKey('bench')
const machines: Sshd[] = []
for (let number = 0; number <= BALANCERS; number++) machines.push(await startSshd({ within, user }))

/** A cluster on the next of these machines, whose addresses are all 127.0.0.1. */
function clusterOn(name: string, cluster: Cluster): Cluster {
  const lbinfos = cluster.lbinfos.map(lb => {
    const machine = machines.pop()
    if (!machine) throw new Error('too few machines')
    stops.push(machine.stop)
    const { address, port, hostKey } = machine.host
    return { ...lb, ssh: { address, port, hostKey } }
  })
  return { ...cluster, name, lbinfos }
}

const stops: (() => Promise<void>)[] = []
const size = { clusters: 2, vips: 200, ports: 4, hosts: 20 }
const [few, many] = [makeClusters({ ...size, balancers: 1 }), makeClusters({ ...size, balancers: BALANCERS })]
const clusters = {
  one: clusterOn('one', (few as [Cluster])[0]),
  twenty: clusterOn('twenty', (many as [Cluster, Cluster])[1]),
}
const hosts = hostsOf(Object.values(clusters))

const ssh = createSsh({ identity: async () => user.privateKey })
const book = createClusterBook(db)
const registry = createRegistry(jobs, workflows)
const engine = createEngine({ db, registry, redisUrl: redis.url, warn: console.error })
const worker = await startWorker({
  db,
  registry,
  redisUrl: redis.url,
  ports: {
    ...{ ssh, clusters: book, clock: systemClock },
    vault: createVault(db, createSealer(Buffer.alloc(32))),
    resolver: {
      addresses: async (names: readonly string[]) =>
        new Map(names.map((name): [string, string] => [name, hosts.get(name) ?? name])),
    },
    notices: { tell: async () => undefined },
    settings: { lvsTemplates: lvsTemplates() },
  } as unknown as Ports,
  recovery: 8_000,
  reconcileEvery: 5_000,
  onRunFailed: run => console.error(`failed: ${run}`),
  log: { info: () => undefined, warn: console.error },
})
await until(() => engine.available())

let changes = 0
/** How many files each balancer was sent by the last push. */
let sent: number[] = []
/** Processor time of this process in the last push, milliseconds; what balancers do is not in it. */
let spent = 0
/** Writes the next state of a cluster and brings it to its balancers, without a reload; milliseconds. */
async function push(cluster: Cluster): Promise<number> {
  changes += 1
  const [change, next] = [`bench-${changes}`, changed(cluster, 9_000 + changes)]
  const after = (await book.get(cluster.name))?.version ?? 0
  await book.write({ cluster: next, hosts, after, change, actor: 'bench', note: '' })
  const begin = performance.now()
  const before = process.cpuUsage()
  const lbs = cluster.lbinfos.map(lb => lb.hostname)
  const request = syncCluster({ cluster: cluster.name, change, policy: 'manual', lbs })
  const run = await engine.start({ ...request, actor: 'bench' })
  const ended = async () => (await db.run.findUniqueOrThrow({ where: { id: run } })).status
  await until(async () => ['succeeded', 'failed'].includes(await ended()), { within: LIMIT })
  const took = performance.now() - begin
  const { user: own, system } = process.cpuUsage(before)
  spent = (own + system) / 1_000
  const stages = await db.step.findMany({ where: { runId: run, job: 'lb.stage' }, select: { output: true } })
  sent = stages.map(({ output }) => z.object({ sent: z.number() }).parse(JSON.parse(output ?? '{}')).sent)
  if ((await ended()) === 'succeeded') return took
  const steps = await db.step.findMany({ where: { runId: run, status: 'failed' } })
  throw new Error(`not pushed: ${JSON.stringify(steps.map(({ path, errorText }) => [path, errorText]))}`)
}

try {
  // The first time everything is sent.
  for (const cluster of Object.values(clusters)) await push(cluster)
  const times = await compare({ one: () => push(clusters.one), twenty: () => push(clusters.twenty) }, ROUNDS)
  const { one = Number.NaN, twenty = Number.NaN } = times
  report({
    name: 'lvs-push',
    measured: {
      ...{ 'ms to 1 balancer': one, 'ms to 20': twenty, 'ms for each of 20': twenty / BALANCERS },
      'files to each, at most': Math.max(...sent),
      'ms of our processor for 20': spent,
    },
    compares: 'time for 20 balancers to time for one',
    ratio: twenty / one,
    aim: { most: 10 },
  })
} finally {
  await worker.close()
  await engine.close()
  await ssh.close()
  for (const stop of stops) await stop()
  await db.$disconnect()
  await redis.stop()
  rmSync(directory, { recursive: true })
}
