import { join, resolve } from 'node:path'
import { environmentWith, readSettings, type Settings } from '../config/env.js'
import { serveApi } from './api.js'
import { openControlPlane, openLog } from './control-plane.js'
import { freePort } from './free-port.js'
import { openRedis } from './redis.js'
import { startSandboxProcess, type UsableSandbox, useSandbox } from './sandbox-client.js'
import { startWork } from './work.js'

export interface UpOptions {
  /** Port of the API; 0 takes a free one. Default: as in LAZARUS_LISTEN. */
  port?: number | undefined
  dataDir?: string | undefined
  /** true: a sandbox of our own; a URL: that one; false: the real providers. */
  sandbox: boolean | string
  /** Settings that go before the environment. */
  settings?: Record<string, string> | undefined
}

/** A running control plane. `close` ends everything that this start began. */
export interface Up {
  url: string
  /** The admin token, when it is known: just made, or given in the settings. */
  adminToken: string | null
  /** How machines are bought, for people. */
  compute: string
  sandboxUrl: string | null
  dataDir: string
  close(): Promise<void>
}

type Closer = () => Promise<void>

/** Starts API and worker in this process, with a Redis and a sandbox where asked. Throws `Fatal` or `SettingsError`. */
export function runUp(options: UpOptions): Promise<Up> {
  return withClosers(async closers => {
    const base = readSettings(environmentWith(own(options)))
    const dataDir = resolve(base.LAZARUS_DATA)
    const warn = warner(base)
    const sandbox = await openSandbox(options.sandbox, dataDir, warn)
    if (sandbox) closers.push(sandbox.close)
    const settings = sandbox ? await inSandbox(options, base, sandbox) : base
    const redis = await openRedis(settings.REDIS_URL, dataDir, warn)
    closers.push(redis.close)
    const plane = await openControlPlane(settings, redis.url)
    closers.push(plane.close)
    const api = await serveApi(plane)
    closers.push(api.close)
    const work = await startWork(plane)
    closers.push(work.close)
    return {
      url: api.url,
      adminToken: settings.LAZARUS_ADMIN_TOKEN ?? api.newAdminToken,
      compute: plane.describeCompute(),
      sandboxUrl: sandbox?.url ?? null,
      dataDir,
    }
  })
}

/** The API alone; needs a Redis that workers share. */
export function runApi(
  options: Pick<UpOptions, 'port' | 'dataDir' | 'settings'>,
): Promise<{ url: string; adminToken: string | null; close(): Promise<void> }> {
  return withClosers(async closers => {
    const plane = await openShared(options, closers)
    const api = await serveApi(plane)
    closers.push(api.close)
    return { url: api.url, adminToken: plane.settings.LAZARUS_ADMIN_TOKEN ?? api.newAdminToken }
  })
}

/** A worker alone. */
export function runWorker(
  options: Pick<UpOptions, 'dataDir' | 'settings'>,
): Promise<{ close(): Promise<void> }> {
  return withClosers(async closers => {
    const work = await startWork(await openShared(options, closers))
    closers.push(work.close)
    return {}
  })
}

async function openShared(options: Omit<UpOptions, 'sandbox'>, closers: Closer[]) {
  const settings = readSettings(environmentWith(own(options)))
  const redis = await openRedis(settings.REDIS_URL, resolve(settings.LAZARUS_DATA), warner(settings))
  // Left running: the other process works with it.
  const plane = await openControlPlane(settings, redis.url)
  closers.push(plane.close)
  return plane
}

/** What the caller said goes before the environment. */
const own = ({ port, dataDir, settings }: Omit<UpOptions, 'sandbox'>): Record<string, string> => ({
  ...(dataDir !== undefined && { LAZARUS_DATA: dataDir }),
  ...(port !== undefined && { LAZARUS_LISTEN: `127.0.0.1:${port}` }),
  ...settings,
})

type Warn = (message: string) => void
const warner = (settings: Settings): Warn => {
  const log = openLog(settings)
  return message => log.warn(message)
}

async function openSandbox(
  sandbox: boolean | string,
  dataDir: string,
  warn: Warn,
): Promise<UsableSandbox | null> {
  if (sandbox === false) return null
  return sandbox === true ? startSandboxProcess(join(dataDir, 'sandbox'), warn) : useSandbox(sandbox)
}

/**
 * The sandbox's settings go before the environment: a real token there must not buy real machines. Machines reach
 * the API at the sandbox's gateway, and beat every second, so that what happens can be watched.
 */
async function inSandbox(options: UpOptions, base: Settings, sandbox: UsableSandbox): Promise<Settings> {
  const wanted = Number(base.LAZARUS_LISTEN[0]?.split(':').at(-1))
  const port = wanted === 0 ? await freePort(['127.0.0.1', sandbox.gateway]) : wanted
  const beats = options.settings?.LAZARUS_HEARTBEAT_INTERVAL
  return readSettings(
    environmentWith({
      ...own(options),
      ...sandbox.settings,
      LAZARUS_LISTEN: `127.0.0.1:${port},${sandbox.gateway}:${port}`,
      LAZARUS_API_URL: `http://127.0.0.1:${port}`,
      LAZARUS_PUBLIC_URL: `http://${sandbox.gateway}:${port}`,
      LAZARUS_HEARTBEAT_INTERVAL: beats ?? '1s',
    }),
  )
}

/** Runs `start`; what it opened is closed in reverse when it fails, or when the caller closes. */
async function withClosers<T>(
  start: (closers: Closer[]) => Promise<T>,
): Promise<T & { close(): Promise<void> }> {
  const closers: Closer[] = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    return { ...(await start(closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}
