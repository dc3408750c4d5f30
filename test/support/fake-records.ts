import { createHash } from 'node:crypto'
import type { FleetBook } from '../../src/ports/fleet.js'
import type { CertificateRecord, NodeBook, NodeFacts, NodeRecord } from '../../src/ports/records.js'
import type { DriftingHost, DriftingNode, NodeRules } from '../../src/ports/services.js'

const EMPTY = {
  ...{ state: 'provisioning' as const, reason: null, machine: null, ipv4: null, ipv6: null, ssh: null },
  ...{ desiredVersion: null, configVersion: null, configError: null, lastBeatAt: null },
  ...{ connections: null, drainingAt: null },
}

/** What the book says that v2ray on a node calls its client. */
export const proxyIdOf = (name: string): string => {
  const digits = createHash('sha256').update(name).digest('hex')
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-8${digits.slice(17, 20)}-${digits.slice(20, 32)}`
}

/** The book in a map by name. */
export function fakeNodes() {
  const rows = new Map<string, NodeRecord>()
  const tokens = new Map<string, string>()
  const change = (name: string, facts: Partial<NodeRecord>) => {
    const row = rows.get(name)
    if (row) rows.set(name, { ...row, ...facts })
  }
  return {
    rows,
    tokens,
    /** Sets anything about a node, as its agent or time would. */
    change,
    get: async (name: string) => rows.get(name) ?? null,
    open: async (node: Parameters<NodeBook['open']>[0]) => {
      tokens.delete(node.name)
      rows.set(node.name, { ...EMPTY, ...node })
    },
    note: async (name: string, facts: NodeFacts) =>
      change(name, { ...facts, ...(facts.desiredVersion !== undefined && { configError: null }) }),
    enrolmentToken: async (name: string) => {
      tokens.set(name, `lzr_enrolment-token-of-${name}-${tokens.size}`)
      return tokens.get(name) ?? ''
    },
    proxyId: async (name: string) => proxyIdOf(name),
    deregister: async (name: string) => void tokens.delete(name),
    remove: async (name: string) => void rows.delete(name),
  }
}

/** Secrets in a map by name. */
export function fakeVault() {
  const secrets = new Map<string, string>()
  return {
    secrets,
    get: async (name: string) => secrets.get(name) ?? null,
    async getOrCreate(name: string, make: () => Promise<string>) {
      const secret = secrets.get(name) ?? (await make())
      secrets.set(name, secret)
      return secret
    },
    put: async (name: string, secret: string) => void secrets.set(name, secret),
    remove: async (name: string) => void secrets.delete(name),
  }
}

/** Certificates in a map by name. */
export function fakeShelf() {
  const records = new Map<string, CertificateRecord>()
  return {
    records,
    get: async (name: string) => records.get(name) ?? null,
    put: async (record: CertificateRecord) => void records.set(record.name, record),
    remove: async (name: string) => void records.delete(name),
  }
}

/** Configurations in the order they were stored. */
export function fakeConfigs() {
  const stored: {
    node: string
    version: string
    content: string
    service: string | null
    snapshot: number | null
  }[] = []
  return {
    stored,
    async store(
      node: string,
      content: string,
      from: { service: string | null; snapshot: number | null } = { service: null, snapshot: null },
    ) {
      const version = createHash('sha256').update(content).digest('hex')
      stored.push({ node, version, content, ...from })
      return version
    },
    read: async (node: string, version: string) =>
      stored.find(at => at.node === node && at.version === version)?.content ?? null,
    latest: async (node: string) => stored.findLast(at => at.node === node)?.version ?? null,
  }
}

/** Services of which a test sets what is in force; every node has the rules of `rules`. */
export function fakeServices(nodes: () => Map<string, NodeRecord>) {
  const answers = {
    rules: { service: null, snapshot: null, rules: {} } as NodeRules,
    newest: null as number | null,
    denials: { requests: 0, denied: 0 },
    drifting: [] as DriftingNode[],
    driftingHosts: [] as DriftingHost[],
  }
  const settled: { service: string; snapshot: number }[] = []
  return {
    answers,
    settled,
    rulesFor: async (_node: string, wanted: { service: string; snapshot: number } | null) => ({
      ...answers.rules,
      ...wanted,
    }),
    newest: async () => answers.newest,
    nodes: async (names: readonly string[]) =>
      [...nodes().values()].filter(node => names.includes(node.name)),
    denials: async (_nodes: readonly string[], _from: Date, _to: Date) => answers.denials,
    settle: async (service: string, snapshot: number) => void settled.push({ service, snapshot }),
    drifting: async () => answers.drifting,
    driftingHosts: async () => answers.driftingHosts,
    settleHosts: async () => undefined,
  }
}

/** Answers that a test sets beforehand. */
export function fakeFleet() {
  const answers = {
    silent: [] as string[],
    hearing: { agents: 0, heard: 0 },
    replaceable: [] as Awaited<ReturnType<FleetBook['replaceable']>>,
    lapsed: 0,
    certificatesDue: [] as Awaited<ReturnType<FleetBook['certificatesDue']>>,
    owners: { nodes: [], claimed: [], zones: [], states: [] } as Awaited<ReturnType<FleetBook['owners']>>,
  }
  return {
    answers,
    markSilent: async () => answers.silent,
    hearing: async () => answers.hearing,
    replaceable: async () => answers.replaceable,
    markLapsed: async () => answers.lapsed,
    certificatesDue: async () => answers.certificatesDue,
    owners: async () => answers.owners,
  }
}
