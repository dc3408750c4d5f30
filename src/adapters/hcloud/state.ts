import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { codeOf, PortError } from '../../core/errors.js'
import { pause } from './pause.js'

/** Where the states are: the API's `/tf-state`, with the password of its one user. */
export interface StateBackend {
  url: string
  password: string
}

export const STATE_USER = 'lazarus'

/** What a state says about its one machine. */
export interface KnownMachine {
  /** The provider's number with the plugin; Terraform's own with the built-in stack. */
  id: string
  /** Making it failed half way: Terraform would replace it. */
  tainted: boolean
}

const stateSchema = z.object({
  resources: z.array(
    z.object({
      instances: z.array(
        z.object({ status: z.string().optional(), attributes: z.object({ id: z.string() }) }),
      ),
    }),
  ),
})

/** The settings of Terraform's `http` backend for one machine. They go into the environment, never into a file. */
export function backendEnvironment({ url, password }: StateBackend, key: string): Record<string, string> {
  const address = `${url}/${key}`
  return {
    TF_HTTP_ADDRESS: address,
    TF_HTTP_LOCK_ADDRESS: address,
    TF_HTTP_UNLOCK_ADDRESS: address,
    TF_HTTP_USERNAME: STATE_USER,
    TF_HTTP_PASSWORD: password,
  }
}

/** What the state of `key` knows: undefined without a state, null when it is empty. */
export async function readKnown(backend: StateBackend, key: string, signal: AbortSignal) {
  const response = await request(backend, 'GET', key, signal)
  if (response.status !== 200) return undefined
  const { resources } = stateSchema.parse(await response.json())
  const instance = resources[0]?.instances[0]
  if (!instance) return null
  return { id: instance.attributes.id, tainted: instance.status === 'tainted' } satisfies KnownMachine
}

/** Removes the state of `key`; none is fine. */
export async function removeState(backend: StateBackend, key: string, signal: AbortSignal): Promise<void> {
  await request(backend, 'DELETE', key, signal)
}

/** Waits until no Terraform is at work on `key`: one that outlived its worker ends, a lock left behind grows old. */
export async function untilFree(backend: StateBackend, key: string, signal: AbortSignal): Promise<void> {
  const lock = JSON.stringify({ ID: randomUUID(), Operation: 'look', Who: 'lazarus' })
  while ((await request(backend, 'LOCK', key, signal, lock)).status === 423) await pause(250, signal)
  await request(backend, 'UNLOCK', key, signal, lock)
}

async function request(
  { url, password }: StateBackend,
  method: string,
  key: string,
  signal: AbortSignal,
  body?: string,
) {
  const authorization = `Basic ${Buffer.from(`${STATE_USER}:${password}`).toString('base64')}`
  const limited = AbortSignal.any([signal, AbortSignal.timeout(15_000)])
  const response = await fetch(`${url}/${key}`, {
    method,
    headers: { authorization, 'content-type': 'application/json' },
    signal: limited,
    ...(body !== undefined && { body }),
  }).catch(error => {
    if (signal.aborted) throw signal.reason
    throw unreachable(codeOf(error instanceof Error ? (error.cause ?? error) : error), error)
  })
  if (response.ok || response.status === 404 || response.status === 423) return response
  throw unreachable(`status ${response.status}`)
}

const unreachable = (what: string, cause?: unknown) =>
  new PortError('state-unreachable', `the Terraform states cannot be reached: ${what}`, {
    retryable: true,
    cause,
  })
