import { type Cluster, clusterSchema } from './cluster-schema.js'
import { type Literal, LiteralError, parseLiteral, printLiteral } from './python-literal.js'
import type { Violation } from './rules.js'

/** The hash in which the original keeps a cluster: texts, lists and dicts as Python prints them. */
export type OriginHash = Readonly<Record<string, string>>

/** Fields that are plain text, and those that are literals. `policy` is ours: the original passes over it. */
const TEXTS = ['name', 'type', 'device', 'policy'] as const
const LITERALS = ['vipnets', 'vip2ws', 'lbinfos'] as const

/** A cluster out of a hash, or all that keeps it from being one. `ignored` are fields that are not of a cluster. */
export type FromHash =
  | { cluster: Cluster; ignored: string[] }
  | { cluster: null; ignored: string[]; violations: Violation[] }

/** Reads the hash of the cluster `name`; its own field "name" may be missing, but not another. */
export function clusterOfHash(name: string, hash: OriginHash): FromHash {
  const violations: Violation[] = []
  const fields: Record<string, unknown> = { name }
  for (const field of TEXTS) if (Object.hasOwn(hash, field)) fields[field] = plain(hash[field] ?? '')
  for (const field of LITERALS) {
    if (!Object.hasOwn(hash, field)) continue
    try {
      fields[field] = parseLiteral(hash[field] ?? '')
    } catch (error) {
      if (!(error instanceof LiteralError)) throw error
      violations.push({ path: field, message: `is no literal: ${error.message}` })
    }
  }
  if (fields.name !== name) violations.push({ path: 'name', message: `the hash is called ${name}` })
  const ignored = Object.keys(hash).filter(field => ![...TEXTS, ...LITERALS].some(known => known === field))
  const parsed = clusterSchema.safeParse(fields)
  const bad = new Set(violations.map(each => each.path))
  for (const { path, message } of parsed.error?.issues ?? [])
    if (!bad.has(String(path[0]))) violations.push({ path: path.join('.'), message })
  return parsed.success && violations.length === 0
    ? { cluster: parsed.data, ignored }
    : { cluster: null, ignored, violations }
}

/** The hash of a cluster: reading it gives the same cluster. */
export function hashOfCluster(cluster: Cluster): Record<string, string> {
  const texts = TEXTS.flatMap(field => {
    const value = cluster[field]
    return value === undefined ? [] : [[field, value]]
  })
  // JSON drops what is undefined: `None` would be another value.
  const literals = LITERALS.map(field => [
    field,
    printLiteral(JSON.parse(JSON.stringify(cluster[field])) as Literal),
  ])
  return Object.fromEntries([...texts, ...literals])
}

/** Text as it stands, or as Python prints it. */
function plain(text: string): string {
  if (!/^[uU]?['"]/.test(text)) return text
  try {
    const value = parseLiteral(text)
    return typeof value === 'string' ? value : text
  } catch (error) {
    if (error instanceof LiteralError) return text
    throw error
  }
}
