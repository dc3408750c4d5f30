import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { type Duration, isDuration } from '../core/duration.js'

const duration = z
  .string()
  .refine(isDuration, 'a duration such as 500ms, 10s or 5m')
  .transform(d => d as Duration)
const httpUrl = z.url({ protocol: /^https?$/ }).transform(url => url.replace(/\/+$/, ''))
const listen = z
  .string()
  .regex(
    /^(\[[0-9a-fA-F:]+\]|[0-9.]+|localhost):\d{1,5}$/,
    'address:port, such as 127.0.0.1:8080 or [::1]:8080',
  )

/** One setting: its schema, whether it may come from a file (`NAME_FILE`), and what it is for. */
interface Setting<T extends z.ZodType = z.ZodType> {
  schema: T
  help: string
  secret?: boolean
}
const setting = <T extends z.ZodType>(schema: T, help: string): Setting<T> => ({ schema, help })
const secret = <T extends z.ZodType>(schema: T, help: string): Setting<T> => ({ schema, help, secret: true })

/** Every setting of Lazarus. The docs, `.env.example` and `lazarus doctor` are made from this table. */
export const SETTINGS = {
  LAZARUS_DATA: setting(
    z.string().min(1).default('.data'),
    'Directory of the database, the seal key and sockets.',
  ),
  LAZARUS_LISTEN: setting(
    z
      .string()
      .default('127.0.0.1:8080')
      .transform(text => text.split(',').map(part => part.trim()))
      .pipe(z.array(listen).min(1)),
    'Addresses the API listens on, comma separated. Loopback unless you say otherwise.',
  ),
  LAZARUS_PUBLIC_URL: setting(
    httpUrl.optional(),
    'Where agents on the machines reach the API. Default: the first listen address.',
  ),
  LAZARUS_SUB_URL: setting(
    httpUrl.optional(),
    'Where users reach their links (`/sub/<token>`). Default: LAZARUS_PUBLIC_URL.',
  ),
  LAZARUS_API_URL: setting(
    httpUrl.optional(),
    'Where workers reach the API (it keeps the Terraform state). Default: the first listen address.',
  ),
  LAZARUS_ADMIN_TOKEN: secret(
    z.string().min(24).optional(),
    'Admin token. Without it, one is made and printed once at the first start.',
  ),
  LAZARUS_SEAL_KEY: secret(
    z
      .string()
      .regex(/^[A-Za-z0-9+/]{43}=$/, '32 bytes in base64')
      .optional(),
    'Key that seals secrets at rest. Default: a file with mode 0600 in the data directory.',
  ),
  LAZARUS_INSTALLATION: setting(
    z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'up to 40 letters, digits and -')
      .optional(),
    'Marks our machines and records at the providers. Default: made once. Set it to take over those of a lost database.',
  ),
  LAZARUS_ZONE: setting(z.string().optional(), 'DNS zone of pools that name none.'),
  LAZARUS_HEARTBEAT_INTERVAL: setting(duration.default('10s'), 'Time between two beats of an agent.'),
  LAZARUS_RESOLVER: setting(
    z
      .string()
      .default('')
      .transform(text => text.split(',').flatMap(part => part.trim() || []))
      .pipe(z.array(listen)),
    'Name servers (address:port, comma separated) that resolve the hosts behind VIPs. Default: as the system does.',
  ),
  LAZARUS_BALANCER_PATIENCE: setting(
    duration.default('60s'),
    'How long a balancer that was reloaded may take to serve what it should, before it goes back by itself.',
  ),
  LAZARUS_BALANCER_STEADY: setting(
    duration.default('15s'),
    'How long after its reload a balancer has to serve still, to have proved itself: it misses a lost OSPF neighbour after 12s.',
  ),
  LAZARUS_MISSED_BEATS: setting(
    z.coerce.number().int().min(1).default(3),
    'Missed beats after which a node is dead, and after which an agent denies.',
  ),
  LAZARUS_RECOVERY: setting(
    duration.default('8s'),
    'How long the work of a killed worker stays locked before another takes it over.',
  ),
  LAZARUS_NOTIFY_URL: secret(
    httpUrl.optional(),
    'Gets a JSON POST for every notification (a node died, came back, a run failed).',
  ),
  LAZARUS_LOG_LEVEL: setting(
    z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
    'How much is logged.',
  ),
  LAZARUS_TERRAFORM: setting(
    z.string().default('auto'),
    'terraform or tofu binary; `auto` looks on PATH, `none` calls the provider directly.',
  ),
  REDIS_URL: secret(
    z.url({ protocol: /^rediss?$/ }).optional(),
    'Redis >= 6.2, noeviction. Default: a redis-server of our own on a free port.',
  ),
  HCLOUD_TOKEN: secret(z.string().min(1).optional(), 'Hetzner Cloud API token with read and write rights.'),
  HCLOUD_ENDPOINT: setting(httpUrl.default('https://api.hetzner.cloud/v1'), 'Hetzner Cloud API.'),
  CLOUDFLARE_API_TOKEN: secret(
    z.string().min(1).optional(),
    'Cloudflare token that may edit DNS in the zones used.',
  ),
  CLOUDFLARE_BASE_URL: setting(httpUrl.default('https://api.cloudflare.com/client/v4'), 'Cloudflare API.'),
  ACME_DIRECTORY_URL: setting(
    httpUrl.default('https://acme-v02.api.letsencrypt.org/directory'),
    "The issuer's ACME directory (Let's Encrypt, ZeroSSL, Pebble).",
  ),
  ACME_EMAIL: setting(z.email().optional(), 'Contact given to the issuer.'),
  ACME_CA_FILE: setting(
    z.string().optional(),
    "PEM of the CA that signed the issuer's own HTTPS certificate, when it is a private one.",
  ),
  ACME_EAB_KID: setting(z.string().optional(), 'External account binding, key id (ZeroSSL).'),
  ACME_EAB_HMAC: secret(z.string().optional(), 'External account binding, HMAC key (ZeroSSL).'),
  LAZARUS_SSH_KEY: secret(
    z.string().optional(),
    'Private key (OpenSSH) to log in with. Default: one is made and kept sealed; `lazarus ssh-key` prints the public half.',
  ),
} as const satisfies Record<string, Setting>

/** What the command line needs to reach an API. */
export const CLIENT_SETTINGS = {
  LAZARUS_DATA: SETTINGS.LAZARUS_DATA,
  LAZARUS_URL: setting(
    httpUrl.optional(),
    'The API that `lazarus` talks to. Default: the one that `lazarus up` started last in the data directory.',
  ),
  LAZARUS_TOKEN: secret(z.string().min(1).optional(), 'Token that `lazarus` shows to that API.'),
} as const satisfies Record<string, Setting>

type Table = Record<string, Setting>
type Values<T extends Table> = { [K in keyof T]: z.output<T[K]['schema']> }
export type Settings = Values<typeof SETTINGS>
export type ClientSettings = Values<typeof CLIENT_SETTINGS>

/** Thrown for settings that cannot be used; the message lists each with the fix. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
  readonly code = 'bad-settings'
}

/**
 * Reads the settings: `NAME`, or for secrets also `NAME_FILE` (the content of that file). Empty counts as absent.
 * Throws `SettingsError` that names every bad setting at once and never shows a value.
 */
export const readSettings = (environment: NodeJS.ProcessEnv = process.env): Settings =>
  readTable(SETTINGS, environment)

/** Our environment with some values replaced, to be read as settings. */
export const environmentWith = (values: Record<string, string>): NodeJS.ProcessEnv => ({
  ...process.env,
  ...values,
})

/** Like {@link readSettings}, for the command line's own settings. */
export const readClientSettings = (environment: NodeJS.ProcessEnv = process.env): ClientSettings =>
  readTable(CLIENT_SETTINGS, environment)

/** Whether the environment asks for Chinese (`LANG=zh_CN.UTF-8`); everything else gets English. */
export const prefersChinese = (environment: NodeJS.ProcessEnv = process.env): boolean =>
  /^zh/i.test(environment.LC_ALL || environment.LC_MESSAGES || environment.LANG || '')

function readTable<T extends Table>(table: T, environment: NodeJS.ProcessEnv): Values<T> {
  const problems: string[] = []
  const entries = Object.entries(table).map(([name, { schema }]) => {
    const parsed = schema.safeParse(rawValue(environment, name, problems))
    if (!parsed.success)
      problems.push(`${name}: ${parsed.error.issues.map(issue => issue.message).join('; ')}`)
    return [name, parsed.data]
  })
  if (problems.length > 0)
    throw new SettingsError(`settings that cannot be used:\n  ${problems.join('\n  ')}`)
  return Object.fromEntries(entries) as Values<T>
}

function rawValue(environment: NodeJS.ProcessEnv, name: string, problems: string[]): string | undefined {
  const file = environment[`${name}_FILE`]
  if (!file) return environment[name] || undefined
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch (error) {
    problems.push(`${name}_FILE: ${(error as NodeJS.ErrnoException).code} on reading the file`)
    return undefined
  }
}

/** The environment that child processes get: what they need to run, none of our secrets. */
export function childEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const kept = [
    'PATH',
    'HOME',
    'LANG',
    'TMPDIR',
    'TF_CLI_CONFIG_FILE',
    'TF_PLUGIN_CACHE_DIR',
    'SSL_CERT_FILE',
  ]
  const inherited = kept.flatMap(name => (process.env[name] ? [[name, process.env[name]]] : []))
  return { ...Object.fromEntries(inherited), ...extra }
}
