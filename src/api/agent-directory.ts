import { messageOf } from '../core/errors.js'
import { agentDirectory } from '../store/agent-directory.js'
import { nodeOfAgentKey } from '../store/agents.js'
import type { Db } from '../store/client.js'
import { hashToken } from '../store/tokens.js'

/** Which agent a key belongs to, and what its node should serve by, answered from memory. */
export interface AgentDirectory {
  /** The node of a key that was used here before; undefined means "ask {@link admit}". */
  known(key: string): string | undefined
  /** The node of a key by the database, or null. Its first use ends the enrolment token that gave it. */
  admit(key: string): Promise<string | null>
  /** The version that a node should have; null while none is published. Up to a second old. */
  desiredVersion(node: string): string | null
  /** The number of the last change to the access list. Up to a second old. */
  accessHead(): number
  close(): void
}

/** How old the memory may grow, milliseconds. One statement for all nodes, not one for each request. */
const MOST = 1_000
/** A small fleet is read more often: a new node hears of its first configuration that much sooner. */
const LEAST = 100
/** Reading may take this part of the time. */
const SHARE = 0.02

/** Reads the directory once and keeps it fresh until closed. A failing refresh keeps the last one and warns. */
export async function createAgentDirectory(db: Db, warn: (message: string) => void): Promise<AgentDirectory> {
  const nodes = new Map<string, string>()
  let desired = new Map<string, string | null>()
  let head = 0
  let closed = false
  let timer: NodeJS.Timeout | undefined

  /** Returns the milliseconds to wait before the next. */
  async function refresh(): Promise<number> {
    const begin = performance.now()
    const before = new Set(nodes.keys())
    const { agents, accessHead } = await agentDirectory(db)
    head = accessHead
    desired = new Map(agents.map(agent => [agent.node, agent.desiredVersion]))
    const valid = new Set(agents.map(agent => agent.keyHash))
    // Keys admitted while the statement ran may be newer than its answer.
    for (const hash of before) if (!valid.has(hash)) nodes.delete(hash)
    return Math.min(Math.max((performance.now() - begin) / SHARE, LEAST), MOST)
  }

  function schedule(pause: number): void {
    timer = setTimeout(async () => {
      const next = await refresh().catch(error => {
        warn(`agents are served from an old list: ${messageOf(error)}`)
        return MOST
      })
      if (!closed) schedule(next)
    }, pause).unref()
  }

  schedule(await refresh())
  return {
    known: key => nodes.get(hashToken(key)),
    async admit(key) {
      const node = await nodeOfAgentKey(db, key)
      if (node !== null) nodes.set(hashToken(key), node)
      return node
    },
    desiredVersion: node => desired.get(node) ?? null,
    accessHead: () => head,
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
