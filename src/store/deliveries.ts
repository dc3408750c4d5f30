import { z } from 'zod'
import type { Db } from './client.js'
import { type UserView, viewUser } from './users.js'

/** The user whose token has this SHA-256 (hex), or null. One look into an index, whoever asks. */
export async function userByTokenHash(db: Db, tokenHash: string): Promise<UserView | null> {
  const row = await db.user.findUnique({ where: { tokenHash }, include: { plan: true } })
  return row && viewUser(row)
}

const edgeRow = z.object({ name: z.string(), host: z.string(), proxyId: z.string() })

/** An edge that serves: its name, its name in the DNS, and what v2ray on it calls its one client. */
export type OpenEdge = z.output<typeof edgeRow>

/** The ready nodes of edge pools with a v2ray that is known, by name. */
export async function openEdges(db: Db): Promise<OpenEdge[]> {
  const rows = await db.$queryRaw`
    SELECT n.name, n.fqdn AS host, n."proxyId" FROM "Node" n JOIN "Pool" p ON p.name = n."poolName"
    WHERE n.state = 'ready' AND p.role = 'edge' AND n."proxyId" IS NOT NULL ORDER BY n."poolName", n.name`
  return z.array(edgeRow).parse(rows)
}
