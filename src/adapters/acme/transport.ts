import { AsyncLocalStorage } from 'node:async_hooks'
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { createSecureContext, rootCertificates } from 'node:tls'
import type * as Acme from 'acme-client'
import { codeOf, PortError } from '../../core/errors.js'
import { answerError } from './errors.js'

export type AcmeModule = typeof Acme

/** What every request made on behalf of one call is bound to. */
interface Binding {
  signal: AbortSignal
  httpsAgent: Agent
}

const REQUEST_TIMEOUT = 30_000
const ANSWER_LIMIT = 1_048_576
// acme-client has one HTTP client for all and passes it neither a signal nor a CA: both travel beside the call.
const bindings = new AsyncLocalStorage<Binding>()
let loading: Promise<AcmeModule> | undefined

/** Runs `work` so that all its requests end with `signal` and trust the CA of `httpsAgent`. */
export async function bound<T>(binding: Binding, work: (acme: AcmeModule) => Promise<T>): Promise<T> {
  const acme = await loadAcme()
  return bindings.run(binding, () => work(acme))
}

/** acme-client, loaded when first needed: it takes 200 ms. */
export function loadAcme(): Promise<AcmeModule> {
  loading ??= import('acme-client').then(acme => {
    bind(acme)
    return acme
  })
  return loading
}

function bind({ axios }: AcmeModule): void {
  // acme-client's own interceptors sleep through an abort for as long as Retry-After says, then hide why a connection
  // failed behind a TypeError. Retries are the job's here.
  axios.interceptors.request.clear()
  axios.interceptors.response.clear()
  axios.interceptors.request.use(config =>
    Object.assign(config, bindings.getStore(), { timeout: REQUEST_TIMEOUT, maxContentLength: ANSWER_LIMIT }),
  )
  axios.interceptors.response.use(response => {
    // acme-client keeps only the text of a problem, so its type is read here. A bad nonce it repeats by itself.
    if (response.status >= 400 && !isBadNonce(response.data)) throw answerError(response)
    return response
  })
}

const isBadNonce = (data: unknown) =>
  typeof data === 'object' && data !== null && 'type' in data && String(data.type).endsWith(':badNonce')

/** An agent that also trusts the CA in `caFile` (PEM). Throws `PortError` (`bad-ca-file`). */
export async function createAgent(caFile: string | undefined): Promise<Agent> {
  if (!caFile) return new Agent({ keepAlive: true })
  try {
    const ca = [...rootCertificates, await readFile(caFile, 'utf8')]
    // One context for all connections: reading 150 certificates anew for each would take 15 ms of CPU.
    return new Agent({ keepAlive: true, secureContext: createSecureContext({ ca }) })
  } catch (error) {
    const message = `ACME_CA_FILE cannot be used: ${codeOf(error)}`
    throw new PortError('bad-ca-file', message, { retryable: false, cause: error })
  }
}
