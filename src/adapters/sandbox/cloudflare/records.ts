import { randomBytes } from 'node:crypto'
import { isIPv4, isIPv6 } from 'node:net'
import { z } from 'zod'
import type { Events } from '../events.js'
import type { RecordRow, Store, ZoneRow } from '../state.js'
import { badRecord, CloudflareError, identicalRecord, recordMissing } from './errors.js'

/** The kinds of record that the sandbox keeps and its DNS serves. */
const TYPES = ['A', 'AAAA', 'CAA', 'CNAME', 'MX', 'NS', 'TXT'] as const
const LABEL = /^(\*|[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)$/

/** A record as it is sent in. `ttl: 1` means automatic. */
export const recordSchema = z.object({
  name: z.string().min(1).max(255),
  type: z.enum(TYPES),
  content: z.string().min(1).max(4096),
  ttl: z
    .number()
    .int()
    .refine(ttl => ttl === 1 || (ttl >= 30 && ttl <= 86_400), 'must be 1 or 30 to 86400')
    .default(1),
  priority: z.number().int().min(0).max(65_535).optional(),
  proxied: z.boolean().default(false),
  comment: z
    .string()
    .max(100)
    .nullish()
    .transform(text => text || null),
  tags: z.array(z.string()).default([]),
})
export type RecordInput = z.input<typeof recordSchema>
export type RecordChange = Partial<RecordInput>

/** A batch: all of it happens, in this order, or nothing does. */
export const batchSchema = z.object({
  deletes: z.array(z.object({ id: z.string() })).default([]),
  patches: z.array(z.looseObject({ id: z.string() })).default([]),
  puts: z.array(z.looseObject({ id: z.string() })).default([]),
  posts: z.array(z.unknown()).default([]),
})

/** The records of the zones, with the rules of the real service on what may stand together. */
export class Records {
  private news: [kind: string, row: RecordRow][] = []

  constructor(
    private readonly store: Store,
    private readonly events: Events,
  ) {}

  zones(): readonly ZoneRow[] {
    return this.store.state.zones
  }

  zone(id: string): ZoneRow {
    const zone = this.zones().find(row => row.id === id)
    if (!zone)
      throw new CloudflareError(404, 7003, 'Could not route to the zone: the object identifier is invalid')
    return zone
  }

  /** Makes sure that a zone exists. */
  addZone(name: string): void {
    if (this.zones().some(zone => zone.name === name)) return
    const id = randomBytes(16).toString('hex')
    this.store.state.zones.push({ id, name, created: new Date().toISOString(), serial: 1 })
    this.store.save()
  }

  /** The records of a zone, oldest first. */
  of(zone: ZoneRow): RecordRow[] {
    return this.store.state.records.filter(record => record.zone === zone.id)
  }

  get(zone: ZoneRow, id: string): RecordRow {
    const record = this.of(zone).find(row => row.id === id)
    if (!record) throw recordMissing()
    return record
  }

  /** Does what `change` does to the records, as one: an error leaves them as they were. */
  transaction<T>(zone: ZoneRow, change: () => T): T {
    const before = structuredClone(this.store.state.records)
    try {
      const result = change()
      zone.serial += 1
      this.store.save()
      this.tell()
      return result
    } catch (error) {
      this.store.state.records = before
      throw error
    } finally {
      this.news = []
    }
  }

  private tell(): void {
    for (const [kind, row] of this.news) {
      this.events.add(kind, row.name, { type: row.type, content: row.content })
    }
  }

  create(zone: ZoneRow, input: unknown): RecordRow {
    const now = new Date().toISOString()
    const fields = this.check(zone, input, null)
    const row = { ...fields, id: randomBytes(16).toString('hex'), zone: zone.id, created: now, modified: now }
    this.store.state.records.push(row)
    this.news.push(['record.created', { ...row }])
    return row
  }

  /** Replaces all that can be set. */
  replace(zone: ZoneRow, id: string, input: unknown): RecordRow {
    const row = this.get(zone, id)
    Object.assign(row, this.check(zone, input, id), { modified: new Date().toISOString() })
    this.news.push(['record.updated', { ...row }])
    return row
  }

  /** Changes what is given. */
  patch(zone: ZoneRow, id: string, change: object): RecordRow {
    const { priority, ...row } = this.get(zone, id)
    return this.replace(zone, id, { ...row, ...(priority === undefined ? {} : { priority }), ...change })
  }

  remove(zone: ZoneRow, id: string): RecordRow {
    const row = this.get(zone, id)
    this.store.state.records = this.store.state.records.filter(record => record !== row)
    this.news.push(['record.deleted', { ...row }])
    return row
  }

  private check(zone: ZoneRow, input: unknown, self: string | null) {
    const parsed = recordSchema.safeParse(input)
    if (!parsed.success) {
      throw badRecord(
        parsed.error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; '),
      )
    }
    const { priority, ...rest } = parsed.data
    const name = qualify(parsed.data.name, zone.name)
    const fields = { ...rest, name, content: cleanContent(rest.type, rest.content) }
    this.refuseClash(zone, fields, self)
    return { ...fields, ...(priority === undefined ? {} : { priority }) }
  }

  private refuseClash(
    zone: ZoneRow,
    { name, type, content }: Pick<RecordRow, 'name' | 'type' | 'content'>,
    self: string | null,
  ): void {
    const others = this.of(zone).filter(row => row.name === name && row.id !== self)
    if (others.some(row => row.type === type && row.content === content)) throw identicalRecord()
    if (others.some(row => (row.type === 'CNAME') !== (type === 'CNAME') || type === 'CNAME')) {
      throw new CloudflareError(400, 81053, 'An A, AAAA, or CNAME record with that host already exists.')
    }
  }
}

function qualify(given: string, zone: string): string {
  const name = given.toLowerCase().replace(/\.$/, '')
  const full = name === '@' ? zone : name === zone || name.endsWith(`.${zone}`) ? name : `${name}.${zone}`
  if (full.length > 253 || !full.split('.').every(label => LABEL.test(label))) {
    throw badRecord(`name: '${given}' is not a host name`)
  }
  return full
}

function cleanContent(type: RecordRow['type'], content: string): string {
  if (type === 'A' && !isIPv4(content)) throw badRecord('Content for A record must be a valid IPv4 address.')
  if (type === 'AAAA') {
    if (!isIPv6(content)) throw badRecord('Content for AAAA record must be a valid IPv6 address.')
    return new URL(`http://[${content}]`).hostname.slice(1, -1)
  }
  return type === 'TXT' || type === 'CAA' || type === 'A' ? content : content.toLowerCase().replace(/\.$/, '')
}
