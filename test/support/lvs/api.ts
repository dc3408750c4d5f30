import type { FakeEngine } from '../api.js'
import { startApi } from '../api.js'
import { fakeResolver } from '../fake-clusters.js'
import { exampleHosts } from './example.js'

/** The API of clusters with names that a test may change. */
export async function lvsApi() {
  const resolver = fakeResolver(exampleHosts())
  const api = await startApi(base => ({ ports: { ...base.ports, resolver } }))
  const { db } = api.deps
  return {
    ...api,
    resolver,
    db,
    /** Arguments as a form: lists and objects as JSON, as the clients of the original send them. */
    form: (method: string, path: string, fields: Record<string, unknown> = {}, headers = {}) =>
      api.call(method, `/api/v1/lvs${path}`, method === 'GET' ? undefined : encodedFields(fields), {
        'content-type': 'application/x-www-form-urlencoded',
        ...headers,
      }),
    json: (method: string, path: string, body?: unknown, headers = {}) =>
      api.call(method, `/api/v1/lvs${path}`, body, headers),
    /** The newest document. */
    newest: (name: string) => api.deps.ports.clusters.get(name),
    async reset() {
      forget(api.engine)
      resolver.hosts.clear()
      for (const [name, address] of exampleHosts()) resolver.hosts.set(name, address)
      // biome-ignore lint/suspicious/noExplicitAny: the tables have no common type
      for (const table of [db.run, db.lvsCluster, db.secret, db.audit]) await (table as any).deleteMany()
    },
    /** A run that holds the cluster. */
    async hold(cluster: string, status: string, workflow = 'cluster.sync', id = 'r-holder') {
      await db.run.create({
        data: {
          ...{ id, workflow, status, groups: '[]', actor: 'ops', input: '{}' },
          claims: { create: { target: `lvs-${cluster}` } },
        },
      })
      return id
    },
  }
}

function forget(engine: FakeEngine): void {
  engine.started.length = 0
  engine.retried.length = 0
  engine.cancelled.length = 0
  engine.up = true
}

/** As a form, or a query: lists and objects in it are JSON. */
export const encodedFields = (fields: Record<string, unknown>): string =>
  new URLSearchParams(
    Object.entries(fields).map(([name, value]): [string, string] => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  ).toString()
