import type { Command } from 'commander'
import { Option } from 'commander'
import { LABELS, type Label } from '../render/lvs/diff.js'
import { type LvsChanged, type LvsPreview, lvsChanged, lvsPreview } from './answers.js'
import type { Context } from './command.js'
import { finish } from './command.js'
import { CliError, EXIT } from './exit.js'
import { diffLines, isConfirmed } from './lvs-diff.js'
import type { Line, Output } from './output.js'
import { noView, progressView } from './progress.js'
import { watchRun } from './watch.js'

/** What every change of a cluster may say about its way to the balancers. */
export interface PushOptions {
  confirm?: Label
  push?: boolean
  dryRun?: boolean
  wait?: boolean
}

/** One change: a request that answers with a run, or with `?dryRun=true` with what it would do. */
export interface Request {
  method: 'POST' | 'PATCH' | 'DELETE'
  path: string
  body: object
}

/** `--confirm`, `--dry-run` and `--wait`. */
export const withConsent = (command: Command): Command =>
  command
    .addOption(new Option('--confirm <label>', 'the worst that a reload may do').choices(LABELS))
    .option('--dry-run', 'only say what would change, and what a reload would do')
    .option('--wait', 'stay until the run has ended and show how it goes')

/** The same, and `--no-push`. */
export const withPush = (command: Command): Command =>
  withConsent(command).option('--no-push', 'only write it down; the balancers hear of it with the next push')

/**
 * Shows what a change does, and makes it when its consequences were agreed to. Throws `CliError` (`needs-confirm`)
 * that says what to add to the command.
 */
export async function makeChange(context: Context<PushOptions>, request: Request): Promise<void> {
  const { api, output, options } = context
  const { method, path } = request
  const body = {
    ...request.body,
    confirm: options.confirm,
    ...(options.push === false && { cfg_push: false }),
  }
  const preview = await api.send(method, path, lvsPreview, { body, query: { dryRun: true } })
  if (options.dryRun) return output.result(preview, [...previewLines(preview), 'Nothing has been done.'])
  for (const line of previewLines(preview)) output.say(line)
  if (options.push !== false) requireConsent(preview.reload, options.confirm)
  const answer = await api.send(method, path, lvsChanged, { body })
  await follow(context, answer)
}

/** What changes; and where that is something else, what it does to the balancers, which may be behind. */
export function previewLines({ changes, reload }: LvsPreview): Line[] {
  const way =
    reload.policy === 'manual' ? 'policy manual: nothing is reloaded' : `policy ${reload.policy}: reloaded`
  if (changes === undefined || JSON.stringify(changes) === JSON.stringify(reload.changes))
    return [...diffLines(reload.changes), way]
  return [
    ...['in the cluster:', ...diffLines(changes)],
    ...['for the balancers, by what they run:', ...diffLines(reload.changes), way],
  ]
}

/** Throws `CliError` (`needs-confirm`) where a reload would do more than was agreed to. */
export function requireConsent({ policy, worst }: LvsPreview['reload'], confirm: Label | undefined): void {
  if (policy === 'manual' || isConfirmed(worst, confirm)) return
  throw new CliError(
    EXIT.refused,
    'needs-confirm',
    `nothing was changed: a reload would do more than is agreed to. If that is meant, add: --confirm ${worst}`,
  )
}

/** Names the run of an answer; with `--wait`, stays until it has ended. */
async function follow(
  { api, output, options, signal }: Context<PushOptions>,
  answer: LvsChanged,
): Promise<void> {
  const { run, version, left } = answer
  const said = [answer.message ?? `version ${version} has been written`, ...(left ? [left] : [])].join('; ')
  if (!run) return output.result(answer, said)
  if (!options.wait)
    return output.result(answer, `${said}; run ${run}, follow it with: lazarus runs watch ${run}`)
  output.say(`${said}; run ${run}`)
  finish(output, await watchRun(api, run, viewOf(output), signal), 'succeeded')
}

const viewOf = (output: Output) => (output.json ? noView : progressView(output))
