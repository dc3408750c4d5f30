import dns, { type Answer, type Packet, type Question } from 'dns-packet'
import type { RecordRow, ZoneRow } from './state.js'

/** What the name server answers from: zones and their records, as they are right now. */
export interface DnsData {
  zones: readonly ZoneRow[]
  records: readonly RecordRow[]
}

const RCODE = { NOERROR: 0, FORMERR: 1, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
/** What a record with automatic TTL is served with, and for how long "there is none" may be kept. Seconds. */
const AUTO_TTL = 300
const NEGATIVE_TTL = 1
const MAX_CHAIN = 8

/** Answers one query from the zones alone; a name outside of them is refused. Never throws for a decoded packet. */
export function answerQuery(query: Packet, { zones, records }: DnsData): Packet {
  const question = query.questions?.[0]
  const reply = (rcode: number, answers: Answer[] = [], authorities: Answer[] = []): Packet => ({
    type: 'response',
    id: query.id ?? 0,
    flags: ((query.flags ?? 0) & dns.RECURSION_DESIRED) | dns.AUTHORITATIVE_ANSWER | rcode,
    questions: query.questions ?? [],
    answers,
    authorities,
    ...(hasEdns(query) ? { additionals: [edns()] } : {}),
  })
  if (query.type !== 'query' || opcodeOf(query) !== 0) return reply(RCODE.NOTIMP)
  if (!question || query.questions?.length !== 1) return reply(RCODE.FORMERR)
  const zone = zoneOf(question.name, zones)
  if (!zone)
    return { ...reply(RCODE.REFUSED), flags: ((query.flags ?? 0) & dns.RECURSION_DESIRED) | RCODE.REFUSED }
  const own = records.filter(record => record.zone === zone.id)
  const found = lookUp(question, zone, own)
  if (found.answers.length > 0) return reply(RCODE.NOERROR, found.answers)
  return reply(found.exists ? RCODE.NOERROR : RCODE.NXDOMAIN, [], [soa(zone)])
}

function lookUp(
  { name, type }: Question,
  zone: ZoneRow,
  records: readonly RecordRow[],
): { exists: boolean; answers: Answer[] } {
  const answers: Answer[] = []
  let current = name.toLowerCase()
  for (let hop = 0; hop < MAX_CHAIN; hop++) {
    const here = atName(current, records)
    const cname = here.find(record => record.type === 'CNAME')
    // The name is given back as it was asked: resolvers compare its upper and lower case.
    const owner = hop === 0 ? name : current
    if (!cname || type === 'CNAME') {
      answers.push(...atApex(owner, current, type, zone))
      answers.push(...here.filter(r => r.type === type).map(r => toAnswer(r, owner)))
      return { exists: hop > 0 || exists(current, zone, records), answers }
    }
    answers.push(toAnswer(cname, owner))
    current = cname.content
  }
  return { exists: true, answers }
}

/** The records of a name, else those of the wildcard that covers it. */
function atName(name: string, records: readonly RecordRow[]): RecordRow[] {
  const exact = records.filter(record => record.name === name)
  if (exact.length > 0 || records.some(record => record.name.endsWith(`.${name}`))) return exact
  const parent = name.split('.').slice(1).join('.')
  return records.filter(record => record.name === `*.${parent}`)
}

function exists(name: string, zone: ZoneRow, records: readonly RecordRow[]): boolean {
  if (name === zone.name || atName(name, records).length > 0) return true
  return records.some(record => record.name.endsWith(`.${name}`))
}

const atApex = (owner: string, name: string, type: string, zone: ZoneRow): Answer[] => {
  if (name !== zone.name) return []
  if (type === 'SOA') return [soa(zone, owner)]
  return type === 'NS' ? [{ type: 'NS', name: owner, ttl: AUTO_TTL, data: `ns1.${zone.name}` }] : []
}

const soa = (zone: ZoneRow, name: string = zone.name): Answer => ({
  type: 'SOA',
  name,
  ttl: NEGATIVE_TTL,
  data: {
    mname: `ns1.${zone.name}`,
    rname: `hostmaster.${zone.name}`,
    serial: zone.serial,
    refresh: 3600,
    retry: 600,
    expire: 86_400,
    minimum: NEGATIVE_TTL,
  },
})

function toAnswer(record: RecordRow, name: string): Answer {
  const head = { name, ttl: record.ttl === 1 ? AUTO_TTL : record.ttl }
  switch (record.type) {
    case 'A':
    case 'AAAA':
    case 'CNAME':
    case 'NS':
      return { ...head, type: record.type, data: record.content }
    case 'MX':
      return { ...head, type: 'MX', data: { preference: record.priority ?? 10, exchange: record.content } }
    case 'CAA':
      return { ...head, type: 'CAA', data: readCaa(record.content) }
    default:
      return { ...head, type: 'TXT', data: readTxt(record.content) }
  }
}

/** The strings of a TXT record: one a pair of quotes, or the bare text in pieces of 255 bytes. */
function readTxt(content: string): Buffer[] {
  const quoted = content.match(/"((?:[^"\\]|\\.)*)"/g)
  const texts = content.startsWith('"') && quoted ? quoted.map(unquote) : [content]
  return texts.flatMap(text => {
    const bytes = Buffer.from(text)
    const pieces = Math.max(1, Math.ceil(bytes.length / 255))
    return Array.from({ length: pieces }, (_, i) => bytes.subarray(i * 255, (i + 1) * 255))
  })
}

const unquote = (text: string): string => text.slice(1, -1).replace(/\\(.)/g, '$1')

function readCaa(content: string): { flags: number; tag: 'issue' | 'issuewild' | 'iodef'; value: string } {
  const [flags = '0', tag = 'issue', value = ''] = content.split(/\s+/)
  const known = tag === 'issuewild' || tag === 'iodef' ? tag : 'issue'
  return { flags: Number(flags) || 0, tag: known, value: value.replaceAll('"', '') }
}

const zoneOf = (name: string, zones: readonly ZoneRow[]): ZoneRow | undefined => {
  const wanted = name.toLowerCase()
  const holding = zones.filter(zone => wanted === zone.name || wanted.endsWith(`.${zone.name}`))
  return holding.sort((a, b) => b.name.length - a.name.length)[0]
}

const opcodeOf = (query: Packet): number => ((query.flags ?? 0) >> 11) & 15

const hasEdns = (query: Packet): boolean => (query.additionals ?? []).some(record => record.type === 'OPT')

const edns = (): Answer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
})

/** How many bytes of answer the asker takes over UDP. */
export function udpLimit(query: Packet): number {
  const opt = (query.additionals ?? []).find(record => record.type === 'OPT')
  return Math.max(512, opt && 'udpPayloadSize' in opt ? Math.min(opt.udpPayloadSize, 1232) : 512)
}
