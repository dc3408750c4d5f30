import type { Db } from './client.js'
import { hashToken, newToken } from './tokens.js'

/** What an agent says about a configuration it was given. */
export interface Ack {
  version: string
  status: 'applied' | 'failed'
  error?: string | undefined
}

const MAX_ERROR = 2_000

/**
 * Gives an agent its key for an enrolment token, or null when the token is not the node's.
 * Asking again with the same token gives another key and ends the first, so that a lost answer can be repeated.
 */
export async function enrolAgent(db: Db, node: string, token: string): Promise<string | null> {
  const key = newToken()
  const { count } = await db.node.updateMany({
    where: { name: node, enrolmentHash: hashToken(token) },
    data: { agentKeyHash: hashToken(key) },
  })
  return count === 1 ? key : null
}

/** The node that an agent's key belongs to, or null. The first use of a key ends the enrolment token that gave it. */
export async function nodeOfAgentKey(db: Db, key: string): Promise<string | null> {
  const agentKeyHash = hashToken(key)
  const row = await db.node.findUnique({
    where: { agentKeyHash },
    select: { name: true, enrolmentHash: true },
  })
  if (row?.enrolmentHash) await db.node.updateMany({ where: { agentKeyHash }, data: { enrolmentHash: null } })
  return row?.name ?? null
}

/** An agent began anew: its beats count from one again. */
export async function registerAgent(db: Db, node: string): Promise<void> {
  await db.node.updateMany({ where: { name: node }, data: { lastSeq: 0 } })
}

/** Records an ack. A failure of anything but the version wanted now is old news. */
export async function recordAck(db: Db, node: string, ack: Ack): Promise<void> {
  if (ack.status === 'applied')
    await db.node.updateMany({ where: { name: node }, data: { configVersion: ack.version } })
  else
    await db.node.updateMany({
      where: { name: node, desiredVersion: ack.version },
      data: { configError: (ack.error ?? 'the agent gave no reason').slice(0, MAX_ERROR) },
    })
}
