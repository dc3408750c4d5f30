import { z } from 'zod'
import type { FleetBook, Owners, Replaceable } from '../ports/fleet.js'
import { sshHostSchema } from '../ports/ssh.js'
import type { Db } from './client.js'

const UNCLAIMED = `NOT EXISTS (SELECT 1 FROM "Claim" c WHERE c.target = n.name)`

/** The fleet as a whole over the tables. Raw statements: each is one pass over an index, whatever the fleet's size. */
export function createFleetBook(db: Db): FleetBook {
  return {
    markSilent: (before, now) => markSilent(db, before, now),
    async hearing(since) {
      const agentKeyHash = { not: null }
      const [agents, heard] = await db.$transaction([
        db.node.count({ where: { agentKeyHash } }),
        db.node.count({ where: { agentKeyHash, lastBeatAt: { gte: since } } }),
      ])
      return { agents, heard }
    },
    replaceable: before => replaceable(db, before),
    async markLapsed(now) {
      const where = { expiredAt: null, expiresAt: { lte: now } }
      return (await db.user.updateMany({ where, data: { expiredAt: now } })).count
    },
    certificatesDue: now => certificatesDue(db, now),
    owners: () => owners(db),
  }
}

/** The notice and the mark are one transaction, the notice first: it reads what the mark changes. */
async function markSilent(db: Db, before: Date, now: Date): Promise<string[]> {
  const [, marked] = await db.$transaction([
    db.$executeRaw`
      INSERT OR IGNORE INTO "Notification" (once, kind, subject, text, "createdAt")
      SELECT 'node-dead:' || name || ':' || incarnation || ':' || "lastBeatAt", 'node-dead', name,
        name || ' is dead: no beat since ' || "lastBeatAt", ${now}
      FROM "Node" WHERE state = 'ready' AND "lastBeatAt" < ${before}`,
    db.$queryRaw<{ name: string }[]>`
      UPDATE "Node" SET state = 'dead', "deadAt" = ${now}, reason = 'no beat since ' || "lastBeatAt"
      WHERE state = 'ready' AND "lastBeatAt" < ${before} RETURNING name`,
  ])
  return marked.map(row => row.name).sort()
}

async function replaceable(db: Db, before: Date): Promise<Replaceable[]> {
  const rows = await db.$queryRawUnsafe<unknown[]>(
    `SELECT n.name AS node, n."poolName" AS pool, n.zone, n.incarnation, p.image, p.types, p.locations
    FROM "Node" n JOIN "Pool" p ON p.name = n."poolName"
    WHERE n.state = 'dead' AND n.adopted = 0 AND n."machineKey" IS NOT NULL AND p.resurrect = 1 AND ${UNCLAIMED}
      AND n."deadAt" <= ?
    ORDER BY n.name`,
    before,
  )
  return z.array(replaceableRow).parse(rows)
}

const integer = z.union([z.int(), z.bigint()]).transform(Number)
const names = z.string().transform(text => z.array(z.string()).parse(JSON.parse(text)))
const replaceableRow = z.object({
  node: z.string(),
  pool: z.string(),
  zone: z.string(),
  incarnation: integer,
  image: z.string(),
  types: names,
  locations: names,
})

async function certificatesDue(db: Db, now: Date): ReturnType<FleetBook['certificatesDue']> {
  const rows = await db.$queryRawUnsafe<Record<string, unknown>[]>(
    `SELECT n.name AS node, n."poolName" AS pool, n.zone, coalesce(n.ipv4, n.ipv6) AS address,
      n."sshPort" AS port, n."sshUser" AS user, n."hostKey"
    FROM "Node" n JOIN "Certificate" c ON c.name = n.fqdn
    WHERE n.state = 'ready' AND n."hostKey" IS NOT NULL AND coalesce(n.ipv4, n.ipv6) IS NOT NULL AND ${UNCLAIMED}
      AND 3 * (julianday(c."notAfter") - julianday(?)) < julianday(c."notAfter") - julianday(c."notBefore")
    ORDER BY n.name`,
    now,
  )
  return rows.map(({ node, pool, zone, port, ...host }) => ({
    ...z.object({ node: z.string(), pool: z.string(), zone: z.string() }).parse({ node, pool, zone }),
    host: sshHostSchema.parse({ ...host, port: Number(port) }),
  }))
}

async function owners(db: Db): Promise<Owners> {
  const [nodes, claims, zones, states] = await Promise.all([
    db.node.findMany({ select: { name: true, incarnation: true, fqdn: true } }),
    db.claim.findMany({ select: { target: true } }),
    db.$queryRaw<{ zone: string }[]>`SELECT zone FROM "Pool" UNION SELECT zone FROM "Node" ORDER BY zone`,
    db.terraformState.findMany({ select: { key: true } }),
  ])
  return {
    nodes,
    claimed: claims.map(claim => claim.target),
    zones: zones.map(row => row.zone),
    states: states.map(state => state.key),
  }
}
