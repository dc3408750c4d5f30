import type { NodeState } from '../ports/records.js'
import type { Db } from './client.js'
import type { Node } from './generated/client.js'
import { toRecord } from './node-book.js'
import { bucketOf } from './samples.js'

/** A node as people and programs see it: no key, no token, no hash of either. Times are ISO 8601. */
export interface NodeView {
  name: string
  pool: string
  zone: string
  fqdn: string
  state: NodeState
  reason: string | null
  incarnation: number
  adopted: boolean
  machine: {
    key: string
    id: string
    type: string
    location: string
    monthlyPrice: number
    currency: string
  } | null
  ipv4: string | null
  ipv6: string | null
  /** `cpu` and `mem` are 0 to 1; the rest counts bytes a second and open connections. */
  load: { cpu: number; mem: number; rxBps: number; txBps: number; connections: number } | null
  config: { desired: string | null; applied: string | null; error: string | null }
  lastBeatAt: string | null
  readyAt: string | null
  createdAt: string
}

/** One node, or null. */
export async function getNode(db: Db, name: string): Promise<NodeView | null> {
  const row = await db.node.findUnique({ where: { name } })
  return row && view(row)
}

/** Nodes by name, a page at a time; `next` is the cursor of the following page. */
export async function listNodes(
  db: Db,
  page: {
    pool?: string | undefined
    state?: NodeState | undefined
    cursor?: string | undefined
    limit: number
  },
): Promise<{ items: NodeView[]; next: string | null }> {
  const rows = await db.node.findMany({
    where: {
      ...(page.pool && { poolName: page.pool }),
      ...(page.state && { state: page.state }),
      ...(page.cursor && { name: { gt: page.cursor } }),
    },
    orderBy: { name: 'asc' },
    take: page.limit + 1,
  })
  const items = rows.slice(0, page.limit).map(view)
  return { items, next: rows.length > page.limit ? (items.at(-1)?.name ?? null) : null }
}

/**
 * The IPv4 addresses of the nodes among these hosts, by full name. One that is being raised counts where the balancers
 * in front of it know it, until it serves and they are told: so others may change clusters meanwhile. One statement.
 */
export async function nodeAddresses(db: Db, hosts: readonly string[]): Promise<Map<string, string>> {
  const rows = await db.$queryRaw<{ fqdn: string; at: string | null }[]>`
    SELECT n.fqdn, coalesce(CASE WHEN n.state <> 'provisioning' THEN n.ipv4 END, (
      SELECT d.hosts ->> ('$."' || n.fqdn || '"') FROM "LvsHost" h JOIN "LvsVip" v ON v.vip = h.vip
      JOIN "LvsCluster" c ON c.name = v."clusterName"
      JOIN "LvsDocument" d ON d."clusterName" = c.name AND d.version = c.version
      WHERE h.host = n.fqdn LIMIT 1), n.ipv4) AS at
    FROM "Node" n WHERE n.fqdn IN (SELECT value FROM json_each(${JSON.stringify(hosts)}))`
  return new Map(rows.flatMap(({ fqdn, at }) => (at === null ? [] : [[fqdn, at] as const])))
}

/** How many nodes there are in each state. */
export async function countNodes(db: Db): Promise<Record<string, number>> {
  const groups = await db.node.groupBy({ by: ['state'], _count: true })
  return Object.fromEntries(groups.map(group => [group.state, group._count]))
}

/** What one beat said, and when it was received (epoch milliseconds). */
export interface Beat {
  node: string
  seq: number
  cpu: number
  mem: number
  rxBps: number
  txBps: number
  connections: number
  configVersion: string | null
  /** Which access list the node has, and the last change of it; absent from agents that know of none. */
  accessList?: string | null | undefined
  accessSeq?: number | null | undefined
  at: number
}

/** A lower number that comes this long after the last beat is an agent that began anew, not a late beat. */
const NEW_LIFE_MS = 5_000

// Numbers are cut to what the columns hold, so that no agent can write a row that nobody can read.
const BEATS = `
  SELECT value ->> 'node' AS node, min(value ->> 'seq', 2147483647) AS seq, value ->> 'cpu' AS cpu, value ->> 'mem' AS mem,
    value ->> 'rxBps' AS rx, value ->> 'txBps' AS tx, min(value ->> 'connections', 2147483647) AS connections,
    value ->> 'configVersion' AS version, value ->> 'accessList' AS list,
    min(value ->> 'accessSeq', 2147483647) AS change, value ->> 'at' AS at, value ->> 'newLife' AS "newLife",
    value ->> 'minute' AS minute
  FROM json_each(?)`
// Which beats count: `b` is a beat, `n` the node as it stood before.
const NEWS = `n.name = b.node AND (n."lastBeatAt" IS NULL OR b.seq > n."lastSeq" OR n."lastBeatAt" < b."newLife")`

const TELL_BACK = `
INSERT OR IGNORE INTO "Notification" (once, kind, subject, text, "createdAt")
SELECT 'node-back:' || n.name || ':' || n.incarnation || ':' || n."deadAt", 'node-back', n.name,
  n.name || ' beats again', b.at
FROM (${BEATS}) b JOIN "Node" n ON ${NEWS} WHERE n.state = 'dead'`

// Absurd traffic of one agent must not spoil the sums of its pool.
const SAMPLE = `
INSERT INTO "Sample" (seconds, scope, name, at, connections, cpu, mem, "rxBps", "txBps", weight)
SELECT 60, 'node', n.name, b.minute, b.connections, min(b.cpu, 1), min(b.mem, 1), min(b.rx, 1e12), min(b.tx, 1e12), 1
FROM (${BEATS}) b JOIN "Node" n ON ${NEWS} WHERE true
ON CONFLICT DO UPDATE SET connections = (connections * weight + excluded.connections) / (weight + 1),
  cpu = (cpu * weight + excluded.cpu) / (weight + 1), mem = (mem * weight + excluded.mem) / (weight + 1),
  "rxBps" = ("rxBps" * weight + excluded."rxBps") / (weight + 1),
  "txBps" = ("txBps" * weight + excluded."txBps") / (weight + 1), weight = weight + 1`

const RECORD = `
UPDATE "Node" AS n SET "lastSeq" = b.seq, "lastBeatAt" = b.at, cpu = b.cpu, mem = b.mem, "rxBps" = b.rx, "txBps" = b.tx,
  connections = b.connections, "configVersion" = b.version, "accessList" = b.list, "accessSeq" = b.change,
  "readyAt" = iif(n.state = 'dead', b.at, n."readyAt"),
  reason = iif(n.state = 'dead', NULL, n.reason), state = iif(n.state = 'dead', 'ready', n.state)
FROM (${BEATS}) b WHERE ${NEWS}`

/**
 * Records beats of any number of nodes at once; of several from one node the latest counts, and a beat recorded
 * before changes nothing. A dead node that beats is ready again, and the operators are told once. The load goes into
 * the node's minute.
 */
export async function recordBeats(db: Db, beats: readonly Beat[]): Promise<void> {
  const latest = new Map<string, Beat>()
  for (const beat of beats) {
    const known = latest.get(beat.node)
    if (!known || beat.at > known.at || (beat.at === known.at && beat.seq > known.seq))
      latest.set(beat.node, beat)
  }
  const rows = JSON.stringify(
    [...latest.values()].map(beat => ({
      ...beat,
      at: sqlTime(beat.at),
      newLife: sqlTime(beat.at - NEW_LIFE_MS),
      minute: bucketOf(beat.at, 60),
    })),
  )
  await db.$transaction([
    db.$executeRawUnsafe(TELL_BACK, rows),
    db.$executeRawUnsafe(SAMPLE, rows),
    db.$executeRawUnsafe(RECORD, rows),
  ])
}

/** A time as the database keeps it, so that text compares as time. */
const sqlTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00')

function view(row: Node): NodeView {
  const {
    ssh: _ssh,
    desiredVersion,
    configVersion,
    configError,
    connections,
    drainingAt: _,
    ...node
  } = toRecord(row)
  const { cpu, mem, rxBps, txBps } = row
  return {
    ...node,
    load:
      node.lastBeatAt === null || cpu === null
        ? null
        : { cpu, mem: mem ?? 0, rxBps: rxBps ?? 0, txBps: txBps ?? 0, connections: connections ?? 0 },
    config: { desired: desiredVersion, applied: configVersion, error: configError },
    readyAt: row.readyAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  }
}
