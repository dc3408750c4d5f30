import type { Cluster } from '../render/lvs/cluster-schema.js'
import type { Gap } from '../render/lvs/drift.js'
import type { Figures } from '../render/lvs/figures.js'
import type { ObservedService } from '../render/lvs/observe.js'

/** One state of a cluster, never changed. */
export interface ClusterDocument {
  /** Counts from 1. */
  version: number
  /** Names the change that made it: what is done to balancers goes by this name, which is known before the change. */
  change: string
  cluster: Cluster
  /** The address that each host had when it was written. */
  hosts: ReadonlyMap<string, string>
  /** What it was rendered to; null: not yet. */
  revision: string | null
  actor: string
  note: string
  /** ISO 8601. */
  createdAt: string
}

/** What to write. `after` is the version that it was made from: 0 for a new cluster. */
export interface NewDocument {
  cluster: Cluster
  hosts: ReadonlyMap<string, string>
  after: number
  change: string
  actor: string
  note: string
}

/** conflict: somebody else wrote this cluster meanwhile; taken: another cluster has a VIP, balancer or router id of it. */
export type Written = 'written' | 'conflict' | 'taken'

/** What a balancer was last seen to do. */
export interface Observation {
  /** The revisions that its program calls current and good; null: none. */
  current: string | null
  good: string | null
  services: ObservedService[]
  /** On lo, without 127.0.0.0/8. */
  addresses: string[]
  /** Router ids of the OSPF neighbours that are Full. */
  neighbours: string[]
}

/** A balancer of the newest document. */
export interface BalancerRecord {
  hostname: string
  cluster: string
  /** In force on it (its programs may not have read it yet), and the document that it was rendered from. */
  revision: string | null
  version: number | null
  /** The last one that proved itself. */
  good: string | null
  goodVersion: number | null
  /** Told to reload, and not verified yet. */
  reloading: boolean
  /** Asks its routers to prefer others. */
  drained: boolean
  /** Seen at first contact; null: none yet, or the document gives it. */
  hostKey: string | null
  observed: Observation | null
  /** ISO 8601. */
  observedAt: string | null
  /** Why it did not prove itself; null: it did, or nothing was tried. */
  error: string | null
  /** Why the last look did not reach it; null: it did. */
  unreached: string | null
}

/** What may be noted of a balancer. */
export type BalancerFacts = Partial<
  Omit<BalancerRecord, 'hostname' | 'cluster' | 'observedAt'> & { observedAt: Date }
>

/** Something that looks at a balancer found to be otherwise than it should be. */
export interface Sighting extends Gap {
  /** When it was found first; ISO 8601. */
  since: string
  /** Whether the operators were told. */
  told: boolean
}

/** A balancer before a look at it. */
export interface WatchedBalancer extends Omit<BalancerRecord, 'observed'> {
  /** What the last look found. */
  drift: readonly Sighting[]
}

/** What a look at a balancer found. */
export type Look = { hostname: string; drift: readonly Sighting[] } & (
  | { unreached: string }
  | { unreached: null; observed: Observation; figures: Figures }
)

/** Load balancer clusters as jobs and schedules see them; each question is one statement. */
export interface ClusterBook {
  /** The newest document, or that of a change; null when there is none. */
  get(cluster: string, change?: string): Promise<ClusterDocument | null>
  /** The document of a version. */
  version(cluster: string, version: number): Promise<ClusterDocument | null>
  /** The newest documents of all clusters, by name. */
  all(): Promise<ClusterDocument[]>
  /** Writes the next document. A change that was written before is not written again: `written`. */
  write(document: NewDocument): Promise<Written>
  /** Notes what a document was rendered to. */
  rendered(cluster: string, version: number, revision: string): Promise<void>
  /** Notes that the balancers were told to have this version. Never goes back. */
  published(cluster: string, version: number): Promise<void>
  /** The balancers of a cluster, in the order of their names. */
  balancers(cluster: string): Promise<BalancerRecord[]>
  balancer(hostname: string): Promise<BalancerRecord | null>
  /** Unknown balancers are left alone. */
  note(hostname: string, facts: BalancerFacts): Promise<void>
  /** The balancers of all clusters that were given a revision, without what they were seen to do. */
  watched(): Promise<WatchedBalancer[]>
  /** Notes looks that ended now. One that did not reach its balancer leaves what was seen before. */
  looked(looks: readonly Look[], now: Date): Promise<void>
}

/** Names to addresses. */
export interface ResolverPort {
  /**
   * The IPv4 address of each host: of a node of ours from our books, of any other by the resolver of the settings.
   * Null: none, several, or it could not be asked. Addresses resolve to themselves. Never throws for a name.
   */
  addresses(hosts: readonly string[], signal?: AbortSignal): Promise<Map<string, string | null>>
}
