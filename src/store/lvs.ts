import { z } from 'zod'
import { codeOf } from '../core/errors.js'
import type { ClusterDocument, NewDocument, Written } from '../ports/clusters.js'
import { type Cluster, clusterSchema, portsOf } from '../render/lvs/cluster-schema.js'
import type { Db } from './client.js'

/**
 * Writes the next document of a cluster, with the tables that go by it, in one batch: of two that write at once, one
 * gets `conflict`, and two clusters never share what is to be had once. A change is written once, however often asked.
 */
export async function writeCluster(
  db: Db,
  { cluster, hosts, after, change, actor, note }: NewDocument,
): Promise<Written> {
  const { name } = cluster
  const version = after + 1
  const [content, addresses] = [JSON.stringify(cluster), JSON.stringify(Object.fromEntries(hosts))]
  const json = JSON.stringify(tablesOf(cluster))
  try {
    await db.$transaction([
      after === 0
        ? db.lvsCluster.create({ data: { name, version } })
        : db.lvsCluster.updateMany({ where: { name }, data: { version } }),
      // The key of this row is what only one of two writers gets.
      db.lvsDocument.create({
        data: { clusterName: name, version, content, hosts: addresses, change, actor, note },
      }),
      db.$executeRaw`DELETE FROM "LvsVip" WHERE "clusterName" = ${name}`,
      db.$executeRaw`DELETE FROM "LvsBalancer" WHERE "clusterName" = ${name}
        AND hostname NOT IN (SELECT value ->> 0 FROM json_each(${json}, '$.lbs'))`,
      // Two balancers may swap their router ids: both let go first.
      db.$executeRaw`UPDATE "LvsBalancer" SET routerid = '-' || routerid WHERE "clusterName" = ${name}`,
      db.$executeRaw`UPDATE "LvsBalancer" AS b SET routerid = e.value ->> 1
        FROM json_each(${json}, '$.lbs') e WHERE b.hostname = e.value ->> 0 AND b."clusterName" = ${name}`,
      db.$executeRaw`INSERT INTO "LvsBalancer" (hostname, "clusterName", routerid)
        SELECT value ->> 0, ${name}, value ->> 1 FROM json_each(${json}, '$.lbs')
        WHERE value ->> 0 NOT IN (SELECT hostname FROM "LvsBalancer" WHERE "clusterName" = ${name})`,
      db.$executeRaw`INSERT INTO "LvsVip" (vip, "clusterName", wstype, position)
        SELECT value ->> 0, ${name}, value ->> 1, key FROM json_each(${json}, '$.vips')`,
      db.$executeRaw`INSERT INTO "LvsHost" (vip, host, position)
        SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${json}, '$.hosts')`,
      db.$executeRaw`INSERT INTO "LvsPort" (vip, protocol, sport, dport)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(${json}, '$.ports')`,
    ])
    return 'written'
  } catch (error) {
    if (!isTaken(error)) throw error
    // Asked again after the answer was lost.
    if (await readChange(db, name, change)) return 'written'
    const head = await db.lvsCluster.findUnique({ where: { name }, select: { version: true } })
    return (head?.version ?? 0) === after ? 'taken' : 'conflict'
  }
}

/** A unique key was there already: by Prisma's own statements, or by a raw one. */
const isTaken = (error: unknown): boolean =>
  codeOf(error) === 'P2002' || (codeOf(error) === 'P2010' && /UNIQUE constraint/.test(String(error)))

const tablesOf = ({ lbinfos, vip2ws }: Cluster) => ({
  lbs: lbinfos.map(lb => [lb.hostname, lb.routerid]),
  vips: vip2ws.map(vip => [vip.vip, vip.wstype]),
  hosts: vip2ws.flatMap(vip => vip.wss.map((host, position) => [vip.vip, host, position])),
  ports: vip2ws.flatMap(vip => portsOf(vip).map(port => [vip.vip, port.protocol, port.sport, port.dport])),
})

/** Removes a cluster with its history; its balancers are left as they are. False when there is none. */
export async function deleteCluster(db: Db, name: string): Promise<boolean> {
  return (await db.lvsCluster.deleteMany({ where: { name } })).count > 0
}

/** The newest document of a cluster, or that of a version; null when there is none. */
export async function readCluster(db: Db, name: string, version?: number): Promise<ClusterDocument | null> {
  const where = version === undefined ? { clusterName: name } : { clusterName: name, version }
  const row = await db.lvsDocument.findFirst({ where, orderBy: { version: 'desc' } })
  return row && documentOf(row)
}

/** The document that a change made; null when there is none. */
export async function readChange(
  db: Db,
  clusterName: string,
  change: string,
): Promise<ClusterDocument | null> {
  const row = await db.lvsDocument.findUnique({ where: { clusterName_change: { clusterName, change } } })
  return row && documentOf(row)
}

/** The newest documents of all clusters, by name. One statement, however many there are. */
export async function readClusters(db: Db): Promise<ClusterDocument[]> {
  const rows = await db.$queryRaw<unknown[]>`SELECT d.* FROM "LvsCluster" c
    JOIN "LvsDocument" d ON d."clusterName" = c.name AND d.version = c.version ORDER BY c.name`
  return z.array(rawRow).parse(rows).map(documentOf)
}

/** The documents of a cluster, newest first, without their content. */
export async function listDocuments(
  db: Db,
  name: string,
  page: { cursor?: number | undefined; limit: number },
): Promise<{ version: number; actor: string; note: string; createdAt: string }[]> {
  const rows = await db.lvsDocument.findMany({
    where: { clusterName: name, ...(page.cursor !== undefined && { version: { lt: page.cursor } }) },
    select: { version: true, actor: true, note: true, createdAt: true },
    orderBy: { version: 'desc' },
    take: page.limit,
  })
  return rows.map(row => ({ ...row, createdAt: row.createdAt.toISOString() }))
}

/** Every VIP, and every balancer, by name. */
export async function listVips(db: Db): Promise<string[]> {
  return (await db.lvsVip.findMany({ select: { vip: true }, orderBy: { vip: 'asc' } })).map(row => row.vip)
}
export async function listBalancers(db: Db): Promise<string[]> {
  const rows = await db.lvsBalancer.findMany({ select: { hostname: true }, orderBy: { hostname: 'asc' } })
  return rows.map(row => row.hostname)
}

/** The hosts of each business, `<cluster>:<wstype>`, without repetition, in the order of the clusters. */
export async function hostsByWstype(
  db: Db,
  wanted: { wstype?: string | undefined },
): Promise<{ wstype: string; cluster: string; hosts: string[] }[]> {
  const rows = await db.lvsVip.findMany({
    where: wanted.wstype === undefined ? {} : { wstype: wanted.wstype },
    select: {
      clusterName: true,
      wstype: true,
      hosts: { select: { host: true }, orderBy: { position: 'asc' } },
    },
    orderBy: [{ clusterName: 'asc' }, { position: 'asc' }],
  })
  const found = new Map<string, { wstype: string; cluster: string; hosts: string[] }>()
  for (const { clusterName: cluster, wstype, hosts } of rows) {
    const each = found.get(`${cluster}:${wstype}`) ?? { wstype, cluster, hosts: [] }
    each.hosts = [...new Set([...each.hosts, ...hosts.map(row => row.host)])]
    found.set(`${cluster}:${wstype}`, each)
  }
  return [...found.values()]
}

const addresses = z.record(z.string(), z.string())
const integer = z.union([z.int(), z.bigint()]).transform(Number)
const rawRow = z.object({
  clusterName: z.string(),
  version: integer,
  content: z.string(),
  hosts: z.string(),
  change: z.string(),
  revision: z.string().nullable(),
  actor: z.string(),
  note: z.string(),
  createdAt: z.union([z.date(), z.string().transform(text => new Date(text))]),
})

function documentOf({
  content,
  hosts,
  createdAt,
  clusterName: _,
  ...row
}: z.output<typeof rawRow>): ClusterDocument {
  return {
    ...row,
    cluster: clusterSchema.parse(JSON.parse(content)),
    hosts: new Map(Object.entries(addresses.parse(JSON.parse(hosts)))),
    createdAt: createdAt.toISOString(),
  }
}
