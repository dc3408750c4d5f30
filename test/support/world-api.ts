import { type Run, run as runSchema } from '../../src/cli/answers.js'
import { until } from './wait.js'

/** The admin token of every control plane in a world. */
export const ADMIN = 'lzr_admin-token-for-tests-0000000000'

/** An answer of the API, whatever its status. */
export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export type WorldApi = ReturnType<typeof worldApi>

/** The API at `url` as tests call it. What takes a run waits for it, a minute unless told otherwise. */
export function worldApi(url: string) {
  const call = (...request: Call) => exchange(url, request)
  /** A call that must succeed; returns its body. */
  const ok = async (...request: Call): Promise<Answer['body']> => {
    const { status, body } = await call(...request)
    if (status >= 300) throw new Error(`${request[0]} ${request[1]}: ${JSON.stringify(body)}`)
    return body
  }
  const getRun = async (id: string): Promise<Run> => runSchema.parse(await ok('GET', `/runs/${id}`))
  /** Waits until a run has come to rest, however that is. */
  const rested = (id: string, within = 60_000): Promise<Run> =>
    until(async () => atRest(await getRun(id)), { within, what: `the end of run ${id}` })
  return {
    ...{ call, ok, getRun, rested },
    /** Waits until a run has succeeded. Throws with its error when it ends otherwise. */
    async succeeded(id: string, within?: number): Promise<Run> {
      const run = await rested(id, within)
      if (run.status === 'succeeded') return run
      throw new Error(`run ${run.workflow} ${run.status}: ${JSON.stringify(run.error)}`)
    },
    nodes: async (): Promise<Answer['body'][]> => (await ok('GET', '/nodes?limit=200')).items,
    /** Makes a pool with defaults, except what is said. */
    pool: (name: string, more: object = {}) => ok('POST', '/pools', { name, ...more }),
    /** Starts a scale-out and returns the run's id. */
    scaleOut: async (pool: string, count: number): Promise<string> =>
      (await ok('POST', `/pools/${pool}/scale-out`, { count })).run,
    /** A subscriber's token that expires after so many milliseconds. */
    subscribe: (name: string, life: number): Promise<{ id: string; token: string }> =>
      ok('POST', '/users', { name, expiresAt: new Date(Date.now() + life).toISOString() }),
  }
}

/** The run when nothing moves in it any more, else null. */
export const atRest = (run: Run): Run | null =>
  ['succeeded', 'failed', 'cancelled'].includes(run.status) ? run : null

type Call = [method: string, path: string, body?: unknown, headers?: Record<string, string>]

/** A body that is text goes out as it is. */
async function exchange(url: string, [method, path, body, headers]: Call): Promise<Answer> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN}`, ...type, ...headers },
    signal: AbortSignal.timeout(20_000),
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }
}
