import { accessSync, constants, existsSync, mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { type Settings, SettingsError } from '../../config/env.js'
import { messageOf } from '../../core/errors.js'
import type { Sight } from './finding.js'
import { ask, lastLine, which } from './programs.js'

/** Node.js itself. */
export function node(version = process.versions.node): Sight {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const ok = major > 20 || (major === 20 && minor >= 19)
  return {
    name: 'node',
    need: 'all',
    ok,
    detail: version,
    fix: 'install Node.js 20.19 or later: https://nodejs.org',
  }
}

/** The database, tried on a scratch file: SQLite, the generated client and the migrations. */
export async function database(): Promise<Sight> {
  const about = { name: 'database', need: 'all', fix: 'make setup' } as const
  const scratch = mkdtempSync(path.join(tmpdir(), 'lazarus-doctor-'))
  try {
    const { openDatabase } = await import('../../store/client.js')
    const db = await openDatabase(path.join(scratch, 'lazarus.db'))
    await db.$disconnect()
    return { ...about, ok: true, detail: 'SQLite works, all migrations apply' }
  } catch (error) {
    return { ...about, ok: false, detail: lastLine(messageOf(error)) }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The settings, all at once. */
export function settings(read: () => Settings): { sight: Sight; settings: Settings | undefined } {
  const about = { name: 'settings', need: 'all', fix: 'docs/generated/env.md describes each' } as const
  try {
    return { sight: { ...about, ok: true, detail: 'valid' }, settings: read() }
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    return { sight: { ...about, ok: false, detail: error.message }, settings: undefined }
  }
}

/** Whether the data directory can be written, or made. */
export function dataDirectory(dataDir: string): Sight {
  const about = { name: 'data directory', need: 'all' } as const
  const nearest = nearestExisting(dataDir)
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK)
    return { ...about, ok: true, detail: path.resolve(dataDir) }
  } catch {
    return {
      ...about,
      ok: false,
      detail: `${path.resolve(dataDir)} cannot be written by this user`,
      fix: `give it to this user, or set LAZARUS_DATA to another directory`,
    }
  }
}

/** Room on the disk: SQLite, Redis and the sandbox all stop in unpleasant ways without any. */
export function diskSpace(dataDir: string): Sight {
  const { bavail, bsize } = statfsSync(nearestExisting(dataDir))
  const free = (bavail * bsize) / 2 ** 30
  const detail = `${free.toFixed(1)} GiB free`
  return { name: 'disk space', need: 'all', ok: free >= 0.5, detail, fix: 'make room: 0.5 GiB are needed' }
}

/** The directory itself, or the nearest one above that exists. Absolute. */
export function nearestExisting(directory: string): string {
  const absolute = path.resolve(directory)
  return existsSync(absolute) ? absolute : nearestExisting(path.dirname(absolute))
}

/** Redis: the configured one, or a server that we can start. */
export async function redis(url: string | undefined): Promise<Sight> {
  if (url) return remoteRedis(url)
  const about = { name: 'redis', need: 'all', fix: 'apt-get install redis-server, or set REDIS_URL' } as const
  const program = which('redis-server') ?? which('valkey-server')
  if (!program)
    return { ...about, ok: false, detail: 'no redis-server, no valkey-server, and REDIS_URL is not set' }
  const { ok, text } = await ask(program, ['--version'])
  const version = /v=(\d+\.\d+\.\d+)/.exec(text)?.[1]
  if (!ok || !version) return { ...about, ok: false, detail: `${program} does not run` }
  const enough = program.endsWith('valkey-server') || atLeast62(version)
  return {
    ...about,
    ok: enough,
    detail: `${program} ${version}${enough ? ', started when needed' : ' is older than 6.2'}`,
  }
}

async function remoteRedis(url: string): Promise<Sight> {
  const about = { name: 'redis', need: 'all' } as const
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 3_000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  // Every command below reports its own error.
  client.on('error', () => undefined)
  try {
    const info = await client.info()
    const version = /redis_version:(\S+)/.exec(info)?.[1] ?? '0.0'
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? 'unknown'
    if (!atLeast62(version))
      return { ...about, ok: false, detail: `REDIS_URL: ${version}`, fix: 'use Redis 6.2 or later' }
    if (policy !== 'noeviction')
      return {
        ...about,
        ok: false,
        detail: `REDIS_URL: maxmemory-policy is ${policy}`,
        fix: 'CONFIG SET maxmemory-policy noeviction',
      }
    return { ...about, ok: true, detail: `REDIS_URL: ${version}, noeviction` }
  } catch (error) {
    // The URL holds a password: only the error is shown.
    return {
      ...about,
      ok: false,
      detail: `REDIS_URL: ${messageOf(error)}`,
      fix: 'start that Redis, or unset REDIS_URL',
    }
  } finally {
    client.disconnect()
  }
}

function atLeast62(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 6 || (major === 6 && minor >= 2)
}
