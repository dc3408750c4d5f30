/** The rules that a node's edges follow, and which snapshot of which service they are; null: the defaults. */
export interface NodeRules {
  service: string | null
  snapshot: number | null
  /** As stored; the renderer parses it. */
  rules: unknown
}

/** A node as a rollout looks at it. */
export interface RolloutNode {
  name: string
  state: string
  configError: string | null
}

/** A node whose agent reports something else than it should have, or that missed a snapshot. */
export interface DriftingNode {
  node: string
  desired: string
  /** What it reports; null: nothing. */
  reported: string | null
  /** Whether what it should have is older than the snapshot in force: then it is rendered anew. */
  stale: boolean
}

/** A media host that has not applied what it should have. */
export interface DriftingHost {
  service: string
  host: string
  version: number
  error: string | null
}

/** Services as jobs and schedules see them; each question is one statement. */
export interface ServiceBook {
  /**
   * The rules for a node. `wanted`: those of that snapshot, where the node's pool has that service. Otherwise those in
   * force, but never older than what the node was given by a rollout that still goes on. Null: no such node.
   */
  rulesFor(node: string, wanted: { service: string; snapshot: number } | null): Promise<NodeRules | null>
  /** The number of the service's newest snapshot; null when there is none. */
  newest(service: string): Promise<number | null>
  /** These nodes, as far as they still exist. */
  nodes(names: readonly string[]): Promise<RolloutNode[]>
  /** How many requests these nodes had from `from` to `to`, and how many of them were denied. */
  denials(nodes: readonly string[], from: Date, to: Date): Promise<{ requests: number; denied: number }>
  /** A rollout has reached every node: its snapshot is in force, and good. */
  settle(service: string, snapshot: number, at: Date): Promise<void>
  /** Ready nodes seen to have drifted since `before` or longer, and that no run is about to bring up to date. */
  drifting(now: Date, before: Date): Promise<DriftingNode[]>
  /** Media hosts whose agent asks, but that have not applied what changed before `before`. */
  driftingHosts(before: Date): Promise<DriftingHost[]>
  /** Calls the current snapshots good that every media host has applied. */
  settleHosts(at: Date): Promise<void>
}
