/** What a look for news answers. */
export interface MediaVersion {
  version: number
  has_update: boolean
  snapshot_id: number | null
}

/** Everything a host gets at once. */
export interface MediaConfig {
  version: number
  mode: string
  rendered_nginx: string
  rendered_lua: string | null
  lua_config: Record<string, unknown>
  rate_limit_config: Record<string, unknown>
  sibling_count: number
}

/** What one round of the client came to. */
export interface Round {
  /** The calls it made, in order, with the status that each got. */
  calls: string[]
  applied: MediaConfig | null
}

/**
 * A client that follows the pull protocol step by step, as the agent on a media host does: look for a version, fetch
 * only what is newer, apply, acknowledge. `apply` plays the host: what it throws is acknowledged as a failure.
 */
export function mediaClient(options: {
  url: string
  token: string
  scheme?: 'Bearer' | 'App'
  /** How it says what it has; `nothing`: not at all. */
  tells?: 'version' | 'current_version' | 'nothing'
  apply?: (config: MediaConfig) => void
}) {
  const { url, token, scheme = 'Bearer', tells = 'version', apply = () => undefined } = options
  let calls: string[] = []
  let version = 0

  async function call(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${url}/api/v1/media-slave${path}`, {
      method,
      headers: { authorization: `${scheme} ${token}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    calls.push(`${method} ${path.split('?')[0]} ${response.status}`)
    return response.ok ? response.json() : null
  }

  const look = () =>
    call(
      'GET',
      `/config/version${tells === 'nothing' ? '' : `?${tells}=${version}`}`,
    ) as Promise<MediaVersion | null>

  return {
    /** The version it has applied; 0: none. */
    version: () => version,
    look,
    /** One round, as every 30 seconds. */
    async round(): Promise<Round> {
      calls = []
      const news = await look()
      if (!news?.has_update) return { calls, applied: null }
      const config = (await call('GET', '/config')) as MediaConfig | null
      if (!config) return { calls, applied: null }
      const ack = { snapshot_id: news.snapshot_id }
      try {
        apply(config)
      } catch (error) {
        await call('POST', '/ack', { ...ack, status: 'failed', error: String(error) })
        return { calls, applied: null }
      }
      version = config.version
      await call('POST', '/ack', { ...ack, status: 'applied' })
      return { calls, applied: config }
    },
  }
}
