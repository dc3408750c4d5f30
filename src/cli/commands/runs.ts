import type { Command } from 'commander'
import { z } from 'zod'
import { type Run, run, runSummary } from '../answers.js'
import { type Cli, type Context, finish, integer, named, remote } from '../command.js'
import { table, when } from '../output.js'
import { noView, progressView, stepLine } from '../progress.js'
import { watchRun } from '../watch.js'

/** `runs`, `retry` and `cancel`. */
export function addRuns(program: Command, cli: Cli): void {
  const runs = program.command('runs').description('what was done and is being done: list, show, watch')
  const list = runs
    .command('list', { isDefault: true })
    .description('list runs, newest first')
    .option('--status <status>', 'only queued, running, failed, succeeded, cancelling or cancelled ones')
    .option('--pool <pool>', 'of this pool only')
    .option('--limit <count>', 'at most so many', integer, 20)
  remote<{ status?: string; pool?: string; limit: number }>(cli, list, async ({ api, output, options }) => {
    const { status, pool, limit } = options
    const items = await api.list('/runs', runSummary, { status, pool }, limit)
    const rows = items.map(item => ({
      run: item.id,
      workflow: item.workflow,
      status: item.status,
      done: `${Math.floor(item.progress * 100)} %`,
      pool: item.pool,
      created: when(item.createdAt),
      error: item.error?.message,
    }))
    output.result(items, table(rows, 'no runs yet'))
  })
  remote(
    cli,
    runs.command('show <run>').description('show one run with its steps'),
    async ({ api, output }, id = '') => {
      const found = await api.get(named('runs', id), run)
      output.result(found, [headline(found), ...found.steps.map(stepLine)].join('\n'))
    },
  )
  const watch = runs
    .command('watch <run>')
    .description('follow a run to its end; with --json a line for each change')
  remote(cli, watch, async ({ api, output, signal }, id = '') =>
    finish(output, await watchRun(api, id, progressView(output), signal), 'succeeded'),
  )
  addAgain(program, cli)
}

const headline = (run: Run): string =>
  `${run.id}  ${run.workflow}  ${run.status}${run.error ? `  ${run.error.code}: ${run.error.message}` : ''}`

function addAgain(program: Command, cli: Cli): void {
  const retry = program.command('retry <run>').description('take a failed run up again where it failed')
  remote<{ wait?: boolean }>(cli, retry.option('--wait', WAIT), (context, id = '') =>
    change(context, id, 'retry', 'succeeded'),
  )
  const cancel = program.command('cancel <run>').description('stop a run and take back what it did')
  remote<{ wait?: boolean }>(cli, cancel.option('--wait', WAIT), (context, id = '') =>
    change(context, id, 'cancel', 'cancelled'),
  )
}

const WAIT = 'stay until it has ended and show how it goes'

async function change(
  { api, output, options, signal }: Context<{ wait?: boolean }>,
  id: string,
  verb: 'retry' | 'cancel',
  wanted: Run['status'],
): Promise<void> {
  await api.send('POST', `${named('runs', id)}/${verb}`, z.unknown())
  if (!options.wait)
    return output.result({ run: id }, `${verb} accepted; follow it with: lazarus runs watch ${id}`)
  finish(output, await watchRun(api, id, output.json ? noView : progressView(output), signal), wanted)
}
