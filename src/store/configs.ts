import { createHash } from 'node:crypto'
import type { Clock } from '../ports/clock.js'
import type { ConfigShelf } from '../ports/records.js'
import type { Db } from './client.js'

/** Revisions kept for each node, beside the one it has and the one it should have. */
const KEPT = 3

/** Configurations over the ConfigRevision table. */
export function createConfigShelf(db: Db, clock: Clock): ConfigShelf {
  return {
    async store(node, content, { service, snapshot }) {
      const version = createHash('sha256').update(content).digest('hex')
      await db.$transaction([
        // Replacing gives the row the highest rowid: what was stored last is last, even if it was known before.
        // A node that was removed meanwhile gets none.
        db.$executeRaw`INSERT OR REPLACE INTO "ConfigRevision" (node, version, content, service, snapshot, "createdAt")
          SELECT name, ${version}, ${content}, ${service}, ${snapshot}, ${clock.now()} FROM "Node" WHERE name = ${node}`,
        db.$executeRaw`DELETE FROM "ConfigRevision" WHERE node = ${node}
          AND rowid NOT IN (SELECT rowid FROM "ConfigRevision" WHERE node = ${node} ORDER BY rowid DESC LIMIT ${KEPT})
          AND version NOT IN (SELECT value FROM "Node", json_each(json_array("desiredVersion", "configVersion"))
            WHERE name = ${node} AND value IS NOT NULL)`,
      ])
      return version
    },
    async read(node, version) {
      const row = await db.configRevision.findUnique({ where: { node_version: { node, version } } })
      return row?.content ?? null
    },
    async latest(node) {
      const rows = await db.$queryRaw<{ version: string }[]>`
        SELECT version FROM "ConfigRevision" WHERE node = ${node} ORDER BY rowid DESC LIMIT 1`
      return rows[0]?.version ?? null
    },
  }
}

/** What a node should have now: its version and the content as rendered (JSON text); null before the first. */
export async function desiredConfig(
  db: Db,
  node: string,
): Promise<{ version: string; content: string } | null> {
  const rows = await db.$queryRaw<{ version: string; content: string }[]>`
    SELECT c.version, c.content FROM "Node" n JOIN "ConfigRevision" c ON c.node = n.name AND c.version = n."desiredVersion"
    WHERE n.name = ${node}`
  return rows[0] ?? null
}
