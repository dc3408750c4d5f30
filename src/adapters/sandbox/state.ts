import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const labels = z.record(z.string(), z.string())

const serverRow = z.object({
  id: z.number().int(),
  name: z.string(),
  status: z.enum(['initializing', 'starting', 'running', 'off', 'deleting']),
  created: z.string(),
  type: z.string(),
  location: z.string(),
  image: z.string(),
  labels,
  userData: z.string().nullable(),
  sshKeys: z.array(z.number().int()),
  host: z.number().int(),
})
const actionRow = z.object({
  id: z.number().int(),
  command: z.string(),
  status: z.enum(['running', 'success', 'error']),
  progress: z.number(),
  started: z.string(),
  finished: z.string().nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  resources: z.array(z.object({ id: z.number().int(), type: z.string() })),
})
const sshKeyRow = z.object({
  id: z.number().int(),
  name: z.string(),
  publicKey: z.string(),
  labels,
  created: z.string(),
})
const firewallRow = z.object({
  id: z.number().int(),
  name: z.string(),
  labels,
  created: z.string(),
  rules: z.array(z.record(z.string(), z.unknown())),
  appliedTo: z.array(
    z.union([z.object({ server: z.number().int() }), z.object({ labelSelector: z.string() })]),
  ),
})
const zoneRow = z.object({ id: z.string(), name: z.string(), created: z.string(), serial: z.number().int() })
const recordRow = z.object({
  id: z.string(),
  zone: z.string(),
  name: z.string(),
  type: z.string(),
  content: z.string(),
  ttl: z.number().int(),
  priority: z.number().int().optional(),
  proxied: z.boolean(),
  comment: z.string().nullable(),
  tags: z.array(z.string()),
  created: z.string(),
  modified: z.string(),
})

const stateSchema = z.object({
  format: z.literal(1),
  subnet: z.number().int().nullable(),
  /** Ports kept over a restart, so that addresses handed out stay good. */
  ports: z.record(z.string(), z.number().int()),
  tokens: z.object({ hcloud: z.string(), cloudflare: z.string() }),
  lastId: z.number().int(),
  lastHost: z.number().int(),
  servers: z.array(serverRow),
  actions: z.array(actionRow),
  sshKeys: z.array(sshKeyRow),
  firewalls: z.array(firewallRow),
  zones: z.array(zoneRow),
  records: z.array(recordRow),
})

/** Everything that a sandbox remembers. `userData` holds private host keys: the file is ours alone. */
export type State = z.infer<typeof stateSchema>
export type ServerRow = z.infer<typeof serverRow>
export type ActionRow = z.infer<typeof actionRow>
export type SshKeyRow = z.infer<typeof sshKeyRow>
export type FirewallRow = z.infer<typeof firewallRow>
export type ZoneRow = z.infer<typeof zoneRow>
export type RecordRow = z.infer<typeof recordRow>

const freshState = (): State => ({
  format: 1,
  subnet: null,
  ports: {},
  tokens: { hcloud: randomBytes(32).toString('hex'), cloudflare: randomBytes(20).toString('hex') },
  lastId: 1000,
  lastHost: 1,
  servers: [],
  actions: [],
  sshKeys: [],
  firewalls: [],
  zones: [],
  records: [],
})

/** The state in memory and its file. Change `state`, then `save()` before the answer goes out. */
export class Store {
  private constructor(
    readonly state: State,
    private file: string | null,
  ) {}

  /** Reads `state.json` below `directory`, or begins anew. Throws when the file is not a state of ours. */
  static open(directory: string): Store {
    const file = join(directory, 'state.json')
    if (!existsSync(file)) return new Store(freshState(), file)
    return new Store(stateSchema.parse(JSON.parse(readFileSync(file, 'utf8'))), file)
  }

  /** A state without a file, for tests. */
  static inMemory(): Store {
    return new Store(freshState(), null)
  }

  /** Writes the state whole and puts it in place at once: a crash leaves the old one or the new one. */
  save(): void {
    if (this.file === null) return
    const aside = `${this.file}.new`
    writeFileSync(aside, JSON.stringify(this.state), { mode: 0o600 })
    renameSync(aside, this.file)
  }

  /** From now on nothing is written: what the end of the sandbox does to its machines is not what was asked for. */
  seal(): void {
    this.file = null
  }

  /** A number that no other resource has. */
  nextId(): number {
    this.state.lastId += 1
    return this.state.lastId
  }
}
