import { beforeEach, describe, expect, test } from 'vitest'
import { testDatabase } from '../../test/support/database.js'
import { domainSchema, upstreamSchema } from '../render/lvs/nginx-schema.js'
import type { Db } from './client.js'
import {
  addDomain,
  addUpstream,
  changeDomain,
  changeUpstream,
  deleteDomain,
  deleteUpstream,
  domainsUsing,
  getUpstream,
  listDomains,
  listUpstreams,
  missingUpstreams,
  readInventory,
} from './nginx.js'

let db: Db
beforeEach(async () => {
  db = await testDatabase()
})

const upstream = (name: string, port = 8080) =>
  upstreamSchema.parse({ name, servers: [{ host: '10.0.30.1', port }] })
const domain = (change: object = {}) =>
  domainSchema.parse({
    name: 'www.example.org',
    product: 'apps',
    type: 'extra',
    locations: [
      { path: '/', upstream: 'web' },
      { path: '/live', upstream: 'live' },
    ],
    ...change,
  })

describe('S4-5: upstreams and domains of nginx hosts', () => {
  test('come back as they were stored', async () => {
    expect(await addUpstream(db, upstream('web'))).toBe(true)
    expect(await addUpstream(db, upstream('live'))).toBe(true)
    expect(await addUpstream(db, upstream('web', 9000))).toBe(false)
    expect(await getUpstream(db, 'web')).toEqual(upstream('web'))
    expect(await changeUpstream(db, upstream('web', 9000))).toBe(true)
    expect(await changeUpstream(db, upstream('none'))).toBe(false)
    expect(await listUpstreams(db)).toEqual([upstream('live'), upstream('web', 9000)])
    expect(await addDomain(db, domain())).toBe('stored')
    expect(await addDomain(db, domain({ type: 'internal' }))).toBe('stored')
    expect(await listDomains(db, { type: 'internal' })).toEqual([domain({ type: 'internal' })])
    expect(await readInventory(db)).toEqual({
      domains: [domain(), domain({ type: 'internal' })],
      upstreams: [upstream('live'), upstream('web', 9000)],
    })
  })

  test('a domain refers to upstreams that are there, and no other domain of its name', async () => {
    await addUpstream(db, upstream('web'))
    expect(await addDomain(db, domain())).toBe('no-upstream')
    expect(await missingUpstreams(db, ['web', 'live'])).toEqual(['live'])
    await addUpstream(db, upstream('live'))
    expect(await addDomain(db, domain())).toBe('stored')
    expect(await addDomain(db, domain({ idcs: ['hy01'] }))).toBe('exists')
    expect(await changeDomain(db, domain({ locations: [{ path: '/', upstream: 'gone' }] }))).toBe(
      'no-upstream',
    )
    expect(await changeDomain(db, domain({ product: 'search' }))).toBe('not-found')
    expect(await changeDomain(db, domain({ idcs: ['hy01'] }))).toBe('stored')
    expect(await listDomains(db)).toEqual([domain({ idcs: ['hy01'] })])
  })

  test('an upstream that a domain refers to stays', async () => {
    await addUpstream(db, upstream('web'))
    await addUpstream(db, upstream('live'))
    await addDomain(db, domain())
    expect(await deleteUpstream(db, 'live')).toBe('in-use')
    expect(await domainsUsing(db, 'live')).toEqual(['www.example.org'])
    expect(await deleteDomain(db, domain({ product: 'search' }))).toBe(false)
    expect(await deleteDomain(db, domain())).toBe(true)
    expect(await deleteUpstream(db, 'live')).toBe('deleted')
    expect(await deleteUpstream(db, 'live')).toBe('not-found')
  })
})
