import { setMaxListeners } from 'node:events'
import type Cloudflare from 'cloudflare'
import { z } from 'zod'
import { PortError } from '../../core/errors.js'
import type { DnsPort, RecordSet, RecordSetKey } from '../../ports/dns.js'
import { cloudflareError, codesOf } from './errors.js'
import {
  changeTo,
  checkKey,
  checkSet,
  commentOf,
  isNothing,
  type Stored,
  storedSchema,
  toSets,
} from './records.js'

export interface CloudflareOptions {
  /** May be absent until the first call, which then fails with `not-configured`. */
  token: string | undefined
  baseUrl: string
  /** Names this installation in the comment of its records; others are never listed. */
  owner: string
}

const TIMEOUT = 15_000
const PAGE = 100
const ROUNDS = 3
// What the API says when the change was made already: by a try whose answer was lost, or by somebody else.
const DONE_BEFORE = ['81044', '81057', '81058']

/** 300 ms and 40 MB: only those who change DNS pay for it. */
const loadSdk = async () => (await import('cloudflare')).default

/** DNS at Cloudflare. Each set is changed by one batch, which Cloudflare makes whole or not at all. */
export function createCloudflareDns({ token, baseUrl, owner }: CloudflareOptions): DnsPort {
  const comment = commentOf(owner)
  const api = lazily(async () => {
    if (!token) throw notConfigured()
    const sdk = await loadSdk()
    // No retries in there: it would sleep through an abort, for as long as a rate limit says.
    const options = {
      apiToken: token,
      baseURL: baseUrl,
      maxRetries: 0,
      timeout: TIMEOUT,
      logLevel: 'off' as const,
    }
    return { sdk, client: new sdk(options) }
  })
  const zones = new Map<string, string>()

  async function call<T>(
    signal: AbortSignal,
    work: (client: Cloudflare, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted()
    const { sdk, client } = await api()
    try {
      // The SDK leaves a listener behind with every request: on a signal of this call alone they do not pile up.
      const ours = AbortSignal.any([signal])
      setMaxListeners(0, ours)
      return await work(client, ours)
    } catch (error) {
      signal.throwIfAborted()
      throw cloudflareError(sdk, error)
    }
  }

  /** Runs `work` with the zone's id; an id that is no longer known is looked up again next time. */
  async function inZone<T>(
    zone: string,
    signal: AbortSignal,
    work: (client: Cloudflare, zone_id: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    return call(signal, async (client, ours) => {
      const id = zones.get(zone) ?? (await zoneId(client, zone, ours))
      zones.set(zone, id)
      try {
        return await work(client, id, ours)
      } catch (error) {
        if ((error as { status?: unknown }).status === 404) zones.delete(zone)
        throw error
      }
    })
  }

  return {
    async set(records, signal) {
      const wanted = checkSet(records)
      await inZone(wanted.zone, signal, (client, id, ours) => makeSo(client, id, wanted, comment, ours))
    },
    async remove(records, signal) {
      const key = checkKey(records)
      await inZone(key.zone, signal, (client, id, ours) =>
        makeSo(client, id, { ...key, values: [] }, comment, ours),
      )
    },
    list: (zone, signal) =>
      inZone(zone, signal, async (client, zone_id, ours) => {
        const stored = await read(client, { zone_id, comment: { exact: comment } }, ours)
        return toSets(
          zone,
          stored.filter(record => record.comment === comment),
        )
      }),
  }
}

/** Reads, compares, changes, until there is nothing to change. Reading last also finds what a lost answer did. */
async function makeSo(
  client: Cloudflare,
  zone_id: string,
  set: RecordSet,
  comment: string,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 1; ; round += 1) {
    const change = changeTo(set, await readSet(client, zone_id, set, signal), comment)
    if (isNothing(change)) return
    if (round > ROUNDS) throw contested(set)
    try {
      const parts = Object.entries(change).filter(([, part]) => part.length > 0)
      await client.dns.records.batch({ zone_id, ...Object.fromEntries(parts) }, { signal })
      return
    } catch (error) {
      if (!(await mayBeDone(error))) throw error
    }
  }
}

/** Whether to look again: the answer was lost, or the change had been made already. */
async function mayBeDone(error: unknown): Promise<boolean> {
  const sdk = await loadSdk()
  if (error instanceof sdk.APIUserAbortError) return false
  if (error instanceof sdk.APIConnectionError) return true
  return error instanceof sdk.APIError && codesOf(error).some(code => DONE_BEFORE.includes(code))
}

async function readSet(client: Cloudflare, zone_id: string, key: RecordSetKey, signal: AbortSignal) {
  const { name, type } = key
  const stored = await read(client, { zone_id, name: { exact: name }, type }, signal)
  return stored.filter(record => record.name === name && record.type === type)
}

type Query = Parameters<Cloudflare['dns']['records']['list']>[0]

/** Every record that the query finds. Stops at the first page that is not full: the SDK would ask for an empty one. */
async function read(client: Cloudflare, query: Query, signal: AbortSignal): Promise<Stored[]> {
  let page = await client.dns.records.list({ ...query, per_page: PAGE }, { signal })
  const found = [...page.result]
  while (page.result.length === PAGE) {
    page = await page.getNextPage()
    signal.throwIfAborted()
    found.push(...page.result)
  }
  return z.array(storedSchema).parse(found)
}

async function zoneId(client: Cloudflare, zone: string, signal: AbortSignal): Promise<string> {
  const found = (await client.zones.list({ name: zone }, { signal })).result.find(({ name }) => name === zone)
  if (found) return found.id
  throw new PortError('zone-not-found', `no zone ${zone} that our Cloudflare token may see`, {
    retryable: false,
  })
}

/** Made at the first call; a failure is not kept. */
function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make().catch(error => {
      made = undefined
      throw error
    })
    return made
  }
}

const notConfigured = () =>
  new PortError('not-configured', 'CLOUDFLARE_API_TOKEN is not set', { retryable: false })

const contested = ({ type, name }: RecordSet) =>
  new PortError('contested', `somebody else keeps changing ${type} ${name}`, { retryable: true })
