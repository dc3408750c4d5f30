import { describe, expect, it } from 'vitest'
import { docsPage } from './docs-page.js'
import { openApiDocument } from './openapi.js'
import { apiRoutes } from './routes.js'

// biome-ignore lint/suspicious/noExplicitAny: the document is looked into at many depths
const document = openApiDocument() as any

describe('the OpenAPI document', () => {
  it('has every route, each with an operation id of its own', () => {
    const operations = Object.values<Record<string, { operationId?: string }>>(document.paths).flatMap(
      Object.values,
    )
    const ids = operations.flatMap(operation => operation.operationId ?? [])
    expect(ids.length).toBe(apiRoutes.length)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toContain('postPoolsByNameScaleOut')
  })

  it('is made of the schemas that check the requests', () => {
    const scaleOut = document.paths['/api/v1/pools/{name}/scale-out'].post
    expect(scaleOut.requestBody.content['application/json'].schema).toMatchObject({
      properties: { count: { type: 'integer', minimum: 1, maximum: 100 } },
      required: ['count'],
      additionalProperties: false,
    })
    expect(scaleOut.parameters.map((parameter: { name: string }) => parameter.name)).toEqual([
      'name',
      'dryRun',
      'Idempotency-Key',
    ])
    expect(Object.keys(scaleOut.responses)).toEqual(
      expect.arrayContaining(['202', '401', '403', '404', '409', '422', '503']),
    )
    expect(scaleOut.responses[200].content['application/json'].schema.properties.monthlyPrice.type).toBe(
      'number',
    )
    const body = document.paths['/api/v1/pools'].post.requestBody.content['application/json'].schema
    expect(body.required).toEqual(['name'])
  })

  it('is plain JSON that comes out the same each time', () => {
    expect(JSON.parse(JSON.stringify(document))).toEqual(document)
    expect(JSON.stringify(openApiDocument())).toBe(JSON.stringify(document))
    expect(JSON.stringify(document)).not.toContain('undefined')
  })

  it('cannot bring markup into the page made of it', () => {
    const operation = { tags: ['<script>'], summary: '<img src=x onerror=1>', responses: {} }
    expect(docsPage({ paths: { '/"><script>': { get: operation } } })).not.toMatch(/<script|<img/)
  })
})

describe('the list of routes', () => {
  it('audits everything that changes something, and nothing else', () => {
    for (const route of apiRoutes)
      expect([route.path, route.action !== undefined]).toEqual([route.path, route.method !== 'get'])
  })
})
