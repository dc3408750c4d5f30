import { z } from 'zod'
import type { Db } from './client.js'
import { Prisma } from './generated/client.js'
import { dayOf, periodStarts } from './periods.js'
import { bucketOf, MEMBERS, type Scope, SESSION_LIFE } from './samples.js'

const number = z.union([z.number(), z.bigint()]).nullable().transform(Number)
const amount = z.object({ up: number, down: number, requests: number })

/** Bytes from users, bytes to users, requests. */
export type Amount = z.output<typeof amount>

/** What is going on at a node, pool, service, in the fleet, or with a user; days and months are UTC. */
export interface Stat {
  name: string
  /** Users at work now. */
  online: number
  /** Their devices. */
  devices: number
  /** Open connections on port 443: by the last beats; of a user: in their sessions. */
  connections: number
  today: Amount
  month: Amount
  /** Of all time that is kept: five years; of a user: ever. */
  total: Omit<Amount, 'requests'>
}

/** A page by name; `next` is the name to go on after. */
export interface StatPage {
  items: Stat[]
  next: string | null
}

export interface StatQuery {
  name?: string | undefined
  after?: string | undefined
  limit: number
}

const live = z.object({ name: z.string(), online: number, devices: number, connections: number })
const traffic = z.object({ name: z.string(), today: amount, month: amount, total: amount })

/** Statistics of the nodes, pools or services, or of the fleet: two statements, whatever their number. */
export async function statsOf(db: Db, scope: Scope, query: StatQuery, now: Date): Promise<StatPage> {
  const among = Prisma.sql`scope = ${scope} AND ${query.name === undefined ? Prisma.sql`1` : Prisma.sql`name = ${query.name}`}`
  const names = Prisma.sql`(SELECT DISTINCT name FROM ${MEMBERS} WHERE ${among} AND name > ${query.after ?? ''}
    ORDER BY name LIMIT ${query.limit + 1})`
  const members = Prisma.sql`(SELECT node, name FROM ${MEMBERS} WHERE ${among})`
  const [lives, sums] = await db.$transaction([
    db.$queryRaw<unknown[]>`SELECT p.name, w.online, w.devices, c.connections FROM ${names} p
      LEFT JOIN (SELECT m.name, count(DISTINCT s."userId") AS online,
          count(DISTINCT s."userId" || '|' || s.device) AS devices
        FROM ${members} m JOIN "Session" s ON s.node = m.node WHERE s."seenAt" >= ${alive(now)} GROUP BY m.name) w
        ON w.name = p.name
      LEFT JOIN (SELECT m.name, sum(n.connections) AS connections
        FROM ${members} m JOIN "Node" n ON n.name = m.node WHERE n.state = 'ready' GROUP BY m.name) c
        ON c.name = p.name
      ORDER BY p.name`,
    db.$queryRaw<{ name: string; sums: string }[]>`SELECT p.name, json_object(${sumsSince(now)}) AS sums
      FROM ${names} p JOIN "Sample" s ON s.seconds = 86400 AND s.scope = ${scope} AND s.name = p.name GROUP BY p.name`,
  ])
  const byName = new Map(
    sums.map(row => [row.name, traffic.parse({ name: row.name, ...JSON.parse(row.sums) })]),
  )
  const items = z
    .array(live)
    .parse(lives)
    .map(row => toStat(row, byName.get(row.name)))
  return pageOf(items, query.limit)
}

const alive = (now: Date): Date => new Date(now.getTime() - SESSION_LIFE)

function sumsSince(now: Date): Prisma.Sql {
  const { day, month } = periodStarts(now)
  const sums = (since: number) =>
    Prisma.sql`json_object('up', sum(iif(s.at >= ${since}, s.up, 0)), 'down', sum(iif(s.at >= ${since}, s.down, 0)),
      'requests', sum(iif(s.at >= ${since}, s.requests, 0)))`
  const [today, thisMonth] = [day, month].map(at => bucketOf(at.getTime(), 86400)) as [number, number]
  return Prisma.sql`'today', ${sums(today)}, 'month', ${sums(thisMonth)}, 'total', ${sums(0)}`
}

const NOTHING: Amount = { up: 0, down: 0, requests: 0 }

function toStat(row: z.output<typeof live>, sums: z.output<typeof traffic> | undefined): Stat {
  const { today = NOTHING, month = NOTHING, total = NOTHING } = sums ?? {}
  return { ...row, today, month, total: { up: total.up, down: total.down } }
}

function pageOf(items: Stat[], limit: number): StatPage {
  const page = items.slice(0, limit)
  return { items: page, next: items.length > limit ? (page.at(-1)?.name ?? null) : null }
}

const userRow = z.object({
  ...{ name: z.string(), devices: number, connections: number, totalUp: number, totalDown: number },
  days: z.string(),
})
const dayRows = z.array(amount.extend({ day: z.string() }))

/** Statistics of users, by id: of those at work now, or of the one that is named. One statement. */
export async function statsOfUsers(db: Db, query: StatQuery, now: Date): Promise<StatPage> {
  const { day, month } = periodStarts(now)
  const at = Prisma.sql`s."userId" = u.id AND s."seenAt" >= ${alive(now)}`
  const who =
    query.name === undefined
      ? Prisma.sql`u.id > ${query.after ?? ''} AND EXISTS (SELECT 1 FROM "Session" s WHERE ${at})`
      : Prisma.sql`u.id = ${query.name}`
  const rows = await db.$queryRaw<unknown[]>`SELECT u.id AS name, u."totalUp", u."totalDown",
      (SELECT count(DISTINCT s.device) FROM "Session" s WHERE ${at}) AS devices,
      (SELECT coalesce(sum(s.connections), 0) FROM "Session" s WHERE ${at}) AS connections,
      (SELECT json_group_array(json_object('day', d.day, 'up', d.up, 'down', d.down, 'requests', d.requests))
        FROM "UsageDay" d WHERE d."userId" = u.id AND d.day >= ${dayOf(month)}) AS days
    FROM "User" u WHERE ${who} ORDER BY u.id LIMIT ${query.limit + 1}`
  const items = z
    .array(userRow)
    .parse(rows)
    .map(({ days, totalUp, totalDown, ...row }) => {
      const used = dayRows.parse(JSON.parse(days))
      return {
        ...row,
        online: row.devices > 0 ? 1 : 0,
        today: addUp(used.filter(one => one.day === dayOf(day))),
        month: addUp(used),
        total: { up: totalUp, down: totalDown },
      }
    })
  return pageOf(items, query.limit)
}

const addUp = (amounts: readonly Amount[]): Amount =>
  amounts.reduce(
    (sum, { up, down, requests }) => ({
      up: sum.up + up,
      down: sum.down + down,
      requests: sum.requests + requests,
    }),
    NOTHING,
  )

/** What a user used in each day from `from` to `to` (`YYYY-MM-DD`, both included), by day and node; null: no such user. */
export async function usageOfUser(
  db: Db,
  user: string,
  range: { from: string; to: string },
): Promise<({ day: string; node: string } & Amount)[] | null> {
  const [found, days] = await db.$transaction([
    db.user.count({ where: { id: user } }),
    db.usageDay.findMany({
      where: { userId: user, day: { gte: range.from, lte: range.to } },
      orderBy: [{ day: 'asc' }, { node: 'asc' }],
      omit: { userId: true },
    }),
  ])
  return found > 0 ? days : null
}
