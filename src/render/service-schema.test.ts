import { describe, expect, test } from 'vitest'
import { loadEdgeSources } from '../main/edge-sources.js'
import { COMMON_CLIENTS, rulesSchema, serviceContentSchema } from './service-schema.js'

const paths = (rules: object): string[] => {
  const parsed = rulesSchema.safeParse(rules)
  return parsed.success ? [] : parsed.error.issues.map(issue => issue.path.join('.'))
}

test('S1-1: every step may be left out', () => {
  expect(rulesSchema.parse({})).toEqual({
    ...{ failMode: { mode: 'deny' }, skip: [], block: [], clients: [], enforce: [], limits: [], quotas: {} },
    ...{ tokens: expect.arrayContaining(['query:token']), sessions: { onExceed: 'reject' } },
    allow: { clients: [], minimum: {} },
  })
  expect(serviceContentSchema.parse({ type: 'media' }).nginx).toMatchObject({
    tls: 'intermediate',
    maxBody: 64,
  })
})

describe('expressions', () => {
  test.each(['(?i)\\bemby|mediabrowser', '^/[\\w.-]+$', 'a{2,3}', '\\-', '(?ims)x'])('%s is one', value => {
    expect(paths({ skip: [{ match: 'regex', value }] })).toEqual([])
    expect(paths({ block: [{ when: { field: 'path', match: 'regex', value } }] })).toEqual([])
  })

  test.each(['(', '[a', '*', '(?i)(', 'a\nb'])('%s is none', value => {
    expect(paths({ skip: [{ match: 'regex', value }] })).toEqual(['skip.0.value'])
    expect(
      paths({ enforce: [{ when: { field: 'user', match: 'regex', value }, action: 'reject' }] }),
    ).toEqual(['enforce.0.when.value'])
  })

  test('what is to be taken literally need not be one', () => {
    expect(paths({ block: [{ when: { field: 'path', match: 'prefix', value: '/(' } }] })).toEqual([])
  })
})

describe('clients', () => {
  test('those that the edge knows by itself may be named where none is described', () => {
    const source = loadEdgeSources().lua['clients.lua'] ?? ''
    expect([...source.matchAll(/^ {8}name = "(\w+)",$/gm)].map(([, name]) => name)).toEqual(COMMON_CLIENTS)
    expect(paths({ allow: { clients: ['emby'], minimum: { jellyfin: '10.8' } } })).toEqual([])
    expect(paths({ allow: { clients: ['winamp'] } })).toEqual(['allow.clients.0'])
  })

  test('where some are described, only those; a least version needs an expression that finds it', () => {
    const clients = [
      { name: 'mine', userAgent: '^Mine' },
      { name: 'other', userAgent: '^Other/', version: '/([0-9.]+)' },
    ]
    expect(paths({ clients, allow: { clients: ['mine', 'other'], minimum: { other: '1.2' } } })).toEqual([])
    expect(paths({ clients, allow: { clients: ['emby'], minimum: { mine: '1' } } })).toEqual([
      'allow.clients.0',
      'allow.minimum.mine',
    ])
    expect(paths({ clients: [...clients, { name: 'mine', userAgent: 'x' }] })).toEqual(['clients.0.name'])
  })
})
