import { z } from 'zod'
import type { Db } from './client.js'
import { SESSION_LIFE } from './samples.js'

/** A device of a user at work on a node; `since` is epoch seconds. */
export interface LiveSession {
  user: string
  device: string
  client: string
  connections: number
  since: number
}

/** Devices of users that are at work on other nodes: `[device, since (epoch seconds)]`, the oldest first. */
export type Elsewhere = Record<string, [device: string, since: number][]>

/** Parts of one report that comes in several may be this far apart, milliseconds. */
const PART_WINDOW = 15_000

/**
 * Replaces what a node has reported before, in one atomic batch, and answers where else the named users are at work.
 * `part`: `whole` when these are all sessions of the node; `more` when others follow; `last` when others came before.
 */
export async function reportSessions(
  db: Db,
  node: string,
  sessions: readonly LiveSession[],
  part: 'whole' | 'more' | 'last',
  now: Date,
): Promise<Elsewhere> {
  const rows = JSON.stringify(sessions.map(({ since, ...row }) => ({ ...row, since: sqlTime(since * 1000) })))
  const gone = new Date(now.getTime() - (part === 'last' ? PART_WINDOW : 0))
  const results = await db.$transaction([
    db.$executeRaw`INSERT INTO "Session" ("userId", device, node, client, connections, since, "seenAt")
      SELECT u.id, value ->> 'device', ${node}, value ->> 'client', value ->> 'connections', value ->> 'since', ${now}
      FROM json_each(${rows}) JOIN "User" u ON u.id = value ->> 'user' WHERE true
      ON CONFLICT DO UPDATE SET client = excluded.client, connections = excluded.connections,
        since = excluded.since, "seenAt" = excluded."seenAt"`,
    db.$executeRaw`DELETE FROM "Session" WHERE node = ${node} AND "seenAt" < ${gone} AND ${part !== 'more'}`,
    db.$queryRaw<unknown[]>`SELECT "userId" AS user, device, unixepoch(min(since)) AS since FROM "Session"
      WHERE "userId" IN (SELECT value ->> 'user' FROM json_each(${rows})) AND node <> ${node}
        AND "seenAt" >= ${new Date(now.getTime() - SESSION_LIFE)}
      GROUP BY "userId", device ORDER BY "userId", since, device`,
  ])
  return byUser(z.array(elsewhereRow).parse(results[2]))
}

const whole = z.union([z.int(), z.bigint()]).transform(Number)
const elsewhereRow = z.object({ user: z.string(), device: z.string(), since: whole })

function byUser(rows: readonly z.output<typeof elsewhereRow>[]): Elsewhere {
  const users = new Map<string, Elsewhere[string]>()
  for (const { user, device, since } of rows) {
    const devices = users.get(user) ?? []
    devices.push([device, since])
    users.set(user, devices)
  }
  return Object.fromEntries(users)
}

/** Drops sessions that nobody reports any more; answers how many. */
export const forgetSessions = (db: Db, now: Date): Promise<number> =>
  db.$executeRaw`DELETE FROM "Session" WHERE "seenAt" < ${new Date(now.getTime() - SESSION_LIFE)}`

/** A time as the database keeps it, so that text compares as time. */
const sqlTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '+00:00')
