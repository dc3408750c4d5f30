import { execFile } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { z } from 'zod'
import { madeToken, node, notice, pool, type Run, runSummary, started, user } from '../cli/answers.js'
import { at } from '../cli/client.js'
import { type RunView, watchRun } from '../cli/watch.js'
import { childEnvironment } from '../config/env.js'
import { Fatal } from '../core/errors.js'
import type { DemoWorld } from './demo-world.js'

export type Node = z.output<typeof node>
const run = promisify(execFile)

/** Two people: one whose token is good for a month, one whose token has just expired. */
export async function subscribe({ api }: DemoWorld): Promise<{ valid: string; expired: string }> {
  const day = 24 * 3600 * 1000
  const make = async (name: string, expiresAt: number) =>
    api.send('POST', '/users', madeToken.and(user), {
      body: { name, expiresAt: new Date(expiresAt).toISOString() },
    })
  const valid = await make('alice', Date.now() + 30 * day)
  const expired = await make('bob', Date.now() + day)
  await api.send('PATCH', at`/users/${expired.id}`, user, {
    body: { expiresAt: new Date(Date.now() - 1_000).toISOString() },
  })
  return { valid: valid.token, expired: expired.token }
}

/** Raises `count` machines in a new pool and returns their nodes. Throws `Fatal` when the run does not succeed. */
export async function raise(
  world: DemoWorld,
  count: number,
  view: RunView,
  signal: AbortSignal,
): Promise<Node[]> {
  await world.api.send('POST', '/pools', pool, { body: { name: 'edge' } })
  const { run } = await world.api.send('POST', '/pools/edge/scale-out', started, { body: { count } })
  requireSuccess(await watchRun(world.api, run, view, signal))
  return world.api.list('/nodes', node, { pool: 'edge' })
}

/** Throws `Fatal` with the reason unless the run succeeded. */
export function requireSuccess(run: Run): void {
  if (run.status === 'succeeded') return
  const reason = run.error ? `: ${run.error.step ?? ''} ${run.error.message}` : ''
  throw new Fatal('run-failed', `run ${run.id} (${run.workflow}) ${run.status}${reason}`)
}

/** The command that asks a machine as a client would, by its name and over TLS. */
export const curl = (world: DemoWorld, { fqdn, ipv4 }: Node, token: string): string[] => [
  'curl',
  ...['-sS', '-o', '/dev/null', '-w', '%{http_code}'],
  ...['--max-time', '10', '--cacert', world.rootFile, '--resolve', `${fqdn}:443:${ipv4}`],
  `https://${fqdn}/?token=${token}`,
]

/** The command that makes the sandbox cut the power of a machine. */
export const kill = (world: DemoWorld, name: string): string[] => [
  'curl',
  ...['-sS', '--fail-with-body', '-H', 'content-type: application/json'],
  ...['-d', JSON.stringify({ kind: 'machine-dies', machine: name })],
  `${world.sandboxUrl}/_sandbox/faults`,
]

/** Runs a command and returns what it printed. Throws `Fatal` when it fails. */
export async function perform([program = '', ...argv]: string[], signal: AbortSignal): Promise<string> {
  try {
    return (await run(program, argv, { env: childEnvironment(), signal, timeout: 20_000 })).stdout.trim()
  } catch (error) {
    signal.throwIfAborted()
    const { stderr = '', message } = error as Error & { stderr?: string }
    throw new Fatal('command-failed', `${program}: ${stderr.trim() || message}`, { cause: error })
  }
}

/** A command as one would type it. */
export const shown = (argv: readonly string[]): string =>
  argv.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')

/** Waits for the notice that a node is dead and returns its text. */
export const deathOf = ({ api }: DemoWorld, name: string, signal: AbortSignal): Promise<string> =>
  eventually(`a notice that ${name} is dead`, signal, async () => {
    const notices = await api.list('/notifications', notice, {}, 50)
    return notices.find(({ kind, subject }) => kind === 'node-dead' && subject === name)?.text
  })

/** Waits for the run that replaces a node and returns its id. */
export const replacementOf = ({ api }: DemoWorld, signal: AbortSignal): Promise<string> =>
  eventually('a run that replaces the dead node', signal, async () => {
    const runs = await api.list('/runs', runSummary, {}, 50)
    return runs.find(({ workflow }) => workflow === 'node.resurrect')?.id
  })

/** The address that the sandbox's DNS gives for a name. */
export async function resolve({ dns }: DemoWorld, name: string): Promise<string> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  resolver.setServers([`${dns.host}:${dns.port}`])
  const [address] = await resolver.resolve4(name)
  if (!address) throw new Fatal('no-record', `the DNS has no address for ${name}`)
  return address
}

async function eventually<T>(
  what: string,
  signal: AbortSignal,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + 120_000
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== undefined) return found
    await pause(200, undefined, { signal })
  }
  throw new Fatal('not-seen', `waited two minutes in vain for ${what}`)
}
