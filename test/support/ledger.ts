import path from 'node:path'
import Database from 'better-sqlite3'
import type { SandboxClient } from './sandbox.js'

/** What there is, sorted, at the providers and in our own books. */
export interface Ledger {
  /** Keys of the machines at the provider, such as `edge-1.1`. */
  machines: string[]
  /** Record sets at the DNS provider, as `name TYPE`. */
  records: string[]
  states: string[]
  certificates: string[]
  nodes: string[]
  claims: string[]
}

/** Takes stock of a sandbox and of the database in `data`. */
export async function ledger(sandbox: SandboxClient, data: string): Promise<Ledger> {
  return {
    machines: (await servers(sandbox)).map(server => server.labels['lazarus-key'] ?? server.name).sort(),
    records: (await records(sandbox)).map(record => `${record.name} ${record.type}`).sort(),
    states: column(data, 'SELECT key FROM TerraformState'),
    certificates: column(data, 'SELECT name FROM Certificate WHERE chain IS NOT NULL'),
    nodes: column(data, 'SELECT name FROM Node'),
    claims: column(data, 'SELECT target FROM Claim'),
  }
}

/** What the books must say when exactly these machines are up, each with a name and a certificate. */
export function exactly(keys: readonly string[], { pool = 'edge', zone = 'lazarus.test' } = {}): Ledger {
  const nodes = keys.map(key => key.slice(0, key.lastIndexOf('.'))).sort()
  const names = nodes.map(node => `${node}.${pool}.${zone}`)
  return {
    machines: [...keys].sort(),
    records: names.flatMap(name => [`${name} A`, `${name} AAAA`]).sort(),
    states: [...keys].sort(),
    certificates: names,
    nodes,
    claims: [],
  }
}

/** How often machines of each key were created since the sandbox began. */
export async function purchases(sandbox: SandboxClient): Promise<Record<string, number>> {
  const events = (await sandbox.events('server.created')) as {
    detail?: { labels?: Record<string, string> }
  }[]
  const keys = events.map(event => event.detail?.labels?.['lazarus-key'] ?? '?')
  return Object.fromEntries(keys.map(key => [key, keys.filter(other => other === key).length]))
}

/** The orders that the issuer finalised since the sandbox began: each is a certificate. */
export const issued = async (sandbox: SandboxClient): Promise<string[]> =>
  (await sandbox.events('certificate.issued')).map(event => event.subject)

/** Rows of each table that a refused request must leave alone. */
export function rowCounts(data: string): Record<string, number> {
  const tables = ['Pool', 'Node', 'Run', 'Step', 'Claim', 'Token', 'User', 'TerraformState']
  return open(data, db =>
    Object.fromEntries(
      tables.map(table => [
        table,
        (db.prepare(`SELECT count(*) AS n FROM "${table}"`).get() as { n: number }).n,
      ]),
    ),
  )
}

/** The first column of a query, sorted. */
export const column = (data: string, sql: string): string[] =>
  open(data, db => db.prepare(sql).pluck().all() as string[]).sort()

function open<T>(data: string, use: (db: Database.Database) => T): T {
  const db = new Database(path.join(data, 'lazarus.db'), { readonly: true })
  try {
    return use(db)
  } finally {
    db.close()
  }
}

async function servers(sandbox: SandboxClient): Promise<{ name: string; labels: Record<string, string> }[]> {
  return (await sandbox.hcloud('GET', '/servers?per_page=50')).servers
}

async function records(sandbox: SandboxClient): Promise<{ name: string; type: string }[]> {
  const { settings } = await sandbox.describe()
  const headers = { authorization: `Bearer ${settings.CLOUDFLARE_API_TOKEN}` }
  // biome-ignore lint/suspicious/noExplicitAny: the answer is the sandbox's own
  const ask = async (at: string): Promise<any> =>
    (await fetch(`${settings.CLOUDFLARE_BASE_URL}${at}`, { headers })).json()
  const { result } = await ask('/zones')
  return (await ask(`/zones/${result[0].id}/dns_records?per_page=1000`)).result
}
