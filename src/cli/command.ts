import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import type { ClientSettings } from '../config/env.js'
import { type Run, started } from './answers.js'
import { type Api, at, createApi } from './client.js'
import { findConnection } from './connection.js'
import { CliError, EXIT, usage } from './exit.js'
import { createOutput, type Io, type Output } from './output.js'
import { noView, progressView } from './progress.js'
import { watchRun } from './watch.js'

/** What all commands share. */
export interface Cli {
  io: Io
  /** Read only when a command needs them, so that a bad one is reported like any other mistake. */
  settings: () => ClientSettings
  /** Aborted on Ctrl-C. */
  signal: AbortSignal
}

/** What one command works with. */
export interface Context<O> {
  api: Api
  output: Output
  options: O
  signal: AbortSignal
}

/** Adds the options that every command about a running installation has, and runs `handle` with its answers. */
export function remote<O = Record<never, never>>(
  cli: Cli,
  command: Command,
  handle: (context: Context<O>, ...args: string[]) => Promise<void>,
): Command {
  return command
    .option('--url <url>', 'address of the API (LAZARUS_URL)')
    .option('--token <token>', 'token for it; better kept in LAZARUS_TOKEN, which other users cannot see')
    .option('--data <dir>', 'data directory of a local installation (LAZARUS_DATA)')
    .option('--json', 'print JSON and nothing else')
    .action(async (...given: unknown[]) => {
      const options = command.opts<{ url?: string; token?: string; data?: string; json?: boolean } & O>()
      const { LAZARUS_URL: url, LAZARUS_TOKEN: token, LAZARUS_DATA } = cli.settings()
      const dataDir = options.data ?? LAZARUS_DATA
      const connection = findConnection({ options, environment: { url, token }, dataDir })
      const output = createOutput(cli.io, options.json === true)
      const context = { api: createApi(connection), output, options, signal: cli.signal }
      // Of arguments that may be many, commander makes a list.
      await handle(context, ...(given.slice(0, -2).flat() as string[]))
    })
}

/** Reads a whole number from the command line. */
export function integer(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number.')
}

/** Reads the count of machines in a command. Throws `CliError`. */
export function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw usage(`"${text}" is not a count of machines: write a whole number`)
}

/** Reads a time from the command line: a date, or `30d` from now, as ISO 8601; `never` stays (commander eats null). */
export function moment(text: string): string {
  if (text === 'never') return text
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  const length = { m: 60_000, h: 3_600_000, d: 86_400_000 }[unit ?? ''] ?? 0
  const time = amount ? Date.now() + Number(amount) * length : Date.parse(text)
  if (Number.isNaN(time))
    throw new InvalidArgumentError('Write a date (2027-01-31), a time from now (30d, 12h) or never.')
  return new Date(time).toISOString()
}

/** What {@link moment} read, as the API writes it: null for never. */
export const expiry = (expires: string): string | null => (expires === 'never' ? null : expires)

/** Collects an option that may be given more than once. */
export const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value]

/** Asks for an operation that is done by a run; with `--wait`, follows the run to its end. */
export async function startRun(
  { api, output, options, signal }: Context<{ wait?: boolean }>,
  method: 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<void> {
  const answer = await api.send(method, path, started, { ...(body !== undefined && { body }) })
  if (!options.wait) {
    output.result(answer, `run ${answer.run} has started; follow it with: lazarus runs watch ${answer.run}`)
    return
  }
  output.say(`run ${answer.run}`)
  const view = output.json ? noView : progressView(output)
  const ended = await watchRun(api, answer.run, view, signal)
  finish(output, ended, 'succeeded')
}

/** Prints how a run ended. Throws `CliError` when that is not as it should be. */
export function finish(output: Output, run: Run, wanted: Run['status']): void {
  const took = run.startedAt && run.endedAt ? ` after ${seconds(run.startedAt, run.endedAt)} s` : ''
  output.result(run, `${run.workflow} ${run.status}${took}`)
  if (run.status === wanted) return
  const reason = run.error ? ` at ${run.error.step ?? '?'}: ${run.error.code}: ${run.error.message}` : ''
  const next =
    run.status === 'failed'
      ? `. Put right what is wrong, then: lazarus retry ${run.id} (or lazarus cancel ${run.id})`
      : ''
  throw new CliError(EXIT.failed, 'run-ended', `run ${run.id} ${run.status}${reason}${next}`, { shown: true })
}

const seconds = (from: string, to: string): string => ((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)

/** The path of a thing with a name; refuses an empty one, which would address the whole list. */
export const named = (kind: string, name: string): string => {
  if (name === '') throw usage(`the ${kind}'s name is empty`)
  return at`/${kind}/${name}`
}
