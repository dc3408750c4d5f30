import type { SshHost } from './ssh.js'

/** provisioning: being raised; ready: beating; dead: silent; draining: on its way out. */
export type NodeState = 'provisioning' | 'ready' | 'dead' | 'draining'

/** A node as jobs see it. */
export interface NodeRecord {
  name: string
  pool: string
  zone: string
  fqdn: string
  state: NodeState
  /** Why it is in this state, for people; null when it is as it should be. */
  reason: string | null
  /** Counts the machines that have borne this name; part of every machine key. */
  incarnation: number
  adopted: boolean
  machine: {
    key: string
    id: string
    type: string
    location: string
    monthlyPrice: number
    currency: string
  } | null
  ipv4: string | null
  ipv6: string | null
  ssh: SshHost | null
  desiredVersion: string | null
  configVersion: string | null
  configError: string | null
  /** ISO 8601; null before the first beat of this incarnation. */
  lastBeatAt: string | null
  /** Connections on its public ports, by its last beat. */
  connections: number | null
  /** ISO 8601; when it began to drain. */
  drainingAt: string | null
}

/** What a step may write about a node. */
export type NodeFacts = Partial<
  Pick<NodeRecord, 'state' | 'reason' | 'machine' | 'ipv4' | 'ipv6' | 'ssh' | 'desiredVersion' | 'drainingAt'>
>

/** The fleet's book. Every write is one atomic statement. */
export interface NodeBook {
  get(name: string): Promise<NodeRecord | null>
  /** Creates the row, or moves an existing one to this incarnation (state `provisioning`, no beat yet). */
  open(node: {
    name: string
    pool: string
    zone: string
    fqdn: string
    incarnation: number
    adopted: boolean
  }): Promise<void>
  /** Sets what a step learned about the node; no such node is fine. A new `desiredVersion` clears `configError`. */
  note(name: string, facts: NodeFacts): Promise<void>
  /** A new one-time enrolment token for the agent of this incarnation; only its hash is kept. */
  enrolmentToken(name: string): Promise<string>
  /** What v2ray on the node calls its one client: made at the first call, the same ever after. */
  proxyId(name: string): Promise<string>
  /** Makes every key and enrolment token of the node's agent worthless; none is fine. */
  deregister(name: string): Promise<void>
  /** Removes the row with everything that hangs on it (agent key, configuration, certificate); none is fine. */
  remove(name: string): Promise<void>
}

/** Secrets at rest, sealed. Names are stable (`ssh/host-key/edge-1.1`). */
export interface Vault {
  get(name: string): Promise<string | null>
  /** The stored secret, or what `make` returns, stored first: two callers get the same one. */
  getOrCreate(name: string, make: () => Promise<string>): Promise<string>
  put(name: string, secret: string): Promise<void>
  /** Removes a secret; none is fine. */
  remove(name: string): Promise<void>
}

/** A certificate as kept: the chain is public, the key is in the vault under `certificate/<name>`. */
export interface CertificateRecord {
  name: string
  csr: string
  orderUrl: string | null
  chain: string | null
  notBefore: string | null
  notAfter: string | null
}

export interface CertificateShelf {
  get(name: string): Promise<CertificateRecord | null>
  put(record: CertificateRecord): Promise<void>
  remove(name: string): Promise<void>
}

/** Versioned configuration: the version is a hash of everything that reaches the node. */
export interface ConfigShelf {
  /** Stores a revision with what it was made from; storing the same content again returns the same version. */
  store(
    node: string,
    content: string,
    from: { service: string | null; snapshot: number | null },
  ): Promise<string>
  read(node: string, version: string): Promise<string | null>
  /** The version stored last for a node, or null. */
  latest(node: string): Promise<string | null>
}
