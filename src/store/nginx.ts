import type { NginxInventory } from '../render/lvs/nginx-host.js'
import { type Domain, domainSchema, type Upstream, upstreamSchema } from '../render/lvs/nginx-schema.js'
import type { Db } from './client.js'

/** What tells domains apart: hosts of two product lines, or of two sides, may serve one name. */
export type DomainKey = Pick<Domain, 'name' | 'product' | 'type'>

/** All upstreams, by name. */
export async function listUpstreams(db: Db): Promise<Upstream[]> {
  const rows = await db.nginxUpstream.findMany({ orderBy: { name: 'asc' } })
  return rows.map(row => upstreamSchema.parse(JSON.parse(row.content)))
}

/** One upstream, or null. */
export async function getUpstream(db: Db, name: string): Promise<Upstream | null> {
  const row = await db.nginxUpstream.findUnique({ where: { name } })
  return row && upstreamSchema.parse(JSON.parse(row.content))
}

/** Stores a new upstream; false when there is one of that name. */
export async function addUpstream(db: Db, upstream: Upstream): Promise<boolean> {
  const content = JSON.stringify(upstream)
  const added = await db.$executeRaw`
    INSERT INTO "NginxUpstream" (name, content) VALUES (${upstream.name}, ${content}) ON CONFLICT DO NOTHING`
  return added > 0
}

/** Stores an upstream over the one of that name; false when there is none. */
export async function changeUpstream(db: Db, upstream: Upstream): Promise<boolean> {
  const { name } = upstream
  const data = { content: JSON.stringify(upstream) }
  return (await db.nginxUpstream.updateMany({ where: { name }, data })).count > 0
}

/** Removes an upstream that no domain refers to. */
export async function deleteUpstream(db: Db, name: string): Promise<'deleted' | 'not-found' | 'in-use'> {
  const deleted = await db.$executeRaw`DELETE FROM "NginxUpstream" WHERE name = ${name}
    AND NOT EXISTS (SELECT 1 FROM "NginxDomain" d, json_each(d.content, '$.locations') l
      WHERE l.value ->> 'upstream' = ${name})`
  if (deleted > 0) return 'deleted'
  return (await db.nginxUpstream.count({ where: { name } })) > 0 ? 'in-use' : 'not-found'
}

/** The names of the domains that refer to an upstream. */
export async function domainsUsing(db: Db, upstream: string): Promise<string[]> {
  const rows = await db.$queryRaw<{ name: string }[]>`
    SELECT DISTINCT d.name FROM "NginxDomain" d, json_each(d.content, '$.locations') l
    WHERE l.value ->> 'upstream' = ${upstream} ORDER BY d.name`
  return rows.map(row => row.name)
}

/** Domains by name, all or those that are told. */
export async function listDomains(
  db: Db,
  told: { [Field in keyof DomainKey]?: string | undefined } = {},
): Promise<Domain[]> {
  const where = Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined))
  const rows = await db.nginxDomain.findMany({
    where,
    orderBy: [{ name: 'asc' }, { product: 'asc' }, { type: 'asc' }],
  })
  return rows.map(row => domainSchema.parse(JSON.parse(row.content)))
}

/** Of these upstreams, those that are not there. */
export async function missingUpstreams(db: Db, names: readonly string[]): Promise<string[]> {
  const rows = await db.nginxUpstream.findMany({
    where: { name: { in: [...names] } },
    select: { name: true },
  })
  const known = new Set(rows.map(row => row.name))
  return names.filter(name => !known.has(name))
}

/** Stores a new domain. One statement: an upstream cannot go away between the question and the answer. */
export async function addDomain(db: Db, domain: Domain): Promise<'stored' | 'exists' | 'no-upstream'> {
  const { name, product, type } = domain
  const content = JSON.stringify(domain)
  const added = await db.$executeRaw`
    INSERT INTO "NginxDomain" (name, product, type, content)
    SELECT ${name}, ${product}, ${type}, ${content}
    WHERE NOT EXISTS (SELECT 1 FROM json_each(${content}, '$.locations') l
      WHERE l.value ->> 'upstream' NOT IN (SELECT name FROM "NginxUpstream"))
    ON CONFLICT DO NOTHING`
  if (added > 0) return 'stored'
  return (await hasDomain(db, domain)) ? 'exists' : 'no-upstream'
}

/** Stores a domain over the one of the same name, product line and side. */
export async function changeDomain(db: Db, domain: Domain): Promise<'stored' | 'not-found' | 'no-upstream'> {
  const { name, product, type } = domain
  const content = JSON.stringify(domain)
  const changed = await db.$executeRaw`
    UPDATE "NginxDomain" SET content = ${content}
    WHERE name = ${name} AND product = ${product} AND type = ${type}
      AND NOT EXISTS (SELECT 1 FROM json_each(${content}, '$.locations') l
        WHERE l.value ->> 'upstream' NOT IN (SELECT name FROM "NginxUpstream"))`
  if (changed > 0) return 'stored'
  return (await hasDomain(db, domain)) ? 'no-upstream' : 'not-found'
}

/** Removes a domain; false when there is none. */
export async function deleteDomain(db: Db, { name, product, type }: DomainKey): Promise<boolean> {
  return (await db.nginxDomain.deleteMany({ where: { name, product, type } })).count > 0
}

/** Everything that configurations of hosts are made of, but for the balancers. */
export async function readInventory(db: Db): Promise<Pick<NginxInventory, 'domains' | 'upstreams'>> {
  const [domains, upstreams] = await Promise.all([listDomains(db), listUpstreams(db)])
  return { domains, upstreams }
}

const hasDomain = async (db: Db, { name, product, type }: DomainKey): Promise<boolean> =>
  (await db.nginxDomain.count({ where: { name, product, type } })) > 0
