import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { codeOf } from '../core/errors.js'
import { CliError, EXIT, usage } from './exit.js'

/** Where the API is, and the token to show there. */
export interface Connection {
  url: string
  token: string | undefined
}

/** What the user said, strongest first: options, environment, then the file that `lazarus up` left. */
export interface ConnectionSources {
  options: { url?: string | undefined; token?: string | undefined }
  environment: { url: string | undefined; token: string | undefined }
  dataDir: string
}

const DEFAULT_URL = 'http://127.0.0.1:8080'
const clientFile = z.object({ url: z.url({ protocol: /^https?$/ }), token: z.string().min(1) })
const fileIn = (dataDir: string): string => path.join(dataDir, 'client.json')

/** Finds the API. A token that was kept for one address is never sent to another. */
export function findConnection({ options, environment, dataDir }: ConnectionSources): Connection {
  const kept = readClientFile(dataDir)
  const url = checkedUrl(options.url ?? environment.url ?? kept?.url ?? DEFAULT_URL)
  const keptToken = kept && sameOrigin(kept.url, url) ? kept.token : undefined
  return { url, token: options.token ?? environment.token ?? keptToken }
}

/** Keeps the address and the token for the commands that follow; only the owner can read the file. */
export function writeClientFile(dataDir: string, connection: { url: string; token: string }): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const aside = `${fileIn(dataDir)}.${randomBytes(4).toString('hex')}`
  writeFileSync(aside, `${JSON.stringify(connection)}\n`, { mode: 0o600, flag: 'wx' })
  renameSync(aside, fileIn(dataDir))
}

/** What {@link writeClientFile} kept, or undefined. Throws `CliError` when the file is there and cannot be used. */
export function readClientFile(dataDir: string): { url: string; token: string } | undefined {
  try {
    return clientFile.parse(JSON.parse(readFileSync(fileIn(dataDir), 'utf8')))
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
    const reason = codeOf(error) === 'EACCES' ? 'belongs to another user' : 'cannot be read'
    throw new CliError(
      EXIT.usage,
      'client-file',
      `${fileIn(dataDir)} ${reason}: set LAZARUS_URL and LAZARUS_TOKEN, or remove it`,
    )
  }
}

const sameOrigin = (a: string, b: string): boolean => new URL(a).origin === new URL(b).origin

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol)) throw usage(`--url: "${text}" is not an http(s) address`)
  if (url.username || url.password)
    throw usage('--url: put the token into LAZARUS_TOKEN, not into the address')
  return text.replace(/\/+$/, '')
}
