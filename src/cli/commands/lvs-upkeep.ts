import type { Command } from 'commander'
import { Argument, Option } from 'commander'
import { z } from 'zod'
import { LABELS, type Label } from '../../render/lvs/diff.js'
import { lvsPreview, preview } from '../answers.js'
import { type Cli, type Context, integer, named, remote, startRun } from '../command.js'
import { usage } from '../exit.js'
import { readText } from '../files.js'
import { diffLines } from '../lvs-diff.js'
import { makeChange, type PushOptions, requireConsent, withConsent } from '../lvs-push.js'
import { table } from '../output.js'

const POLICIES = ['manual', 'canary', 'rolling']

/** What is done to clusters that stand: sync, rollback, drains, policy and key. */
export function addUpkeep(lvs: Command, cli: Cli): void {
  addPushes(lvs, cli)
  addDrains(lvs, cli)
  addSettings(lvs, cli)
}

interface WayOptions extends PushOptions {
  policy?: string
  force?: boolean
  watch?: number
  to?: number
}

const withWay = (command: Command): Command =>
  withConsent(command)
    .addOption(
      new Option('--policy <policy>', 'for this once: manual reloads nothing, the others do').choices(
        POLICIES,
      ),
    )
    .option(
      '--force',
      'reload the last healthy balancer too, and go on where a name does not resolve just now',
    )
    .option('--watch <seconds>', 'how long the first balancer is looked at (default: 30)', integer)

function addPushes(lvs: Command, cli: Cli): void {
  const sync = lvs.command('sync <cluster>').description('bring the newest state to the balancers')
  remote<WayOptions>(cli, withWay(sync), (context, name = '') => {
    const { policy, force, watch } = context.options
    return makeChange(context, { method: 'POST', path: '/lvs/sync', body: { name, policy, force, watch } })
  })
  const rollback = lvs
    .command('rollback <cluster>')
    .description(
      'write the state before, or that of a version, anew, and reload one balancer after the other',
    )
    .option('--to <version>', 'this version', integer)
  remote<WayOptions>(cli, withWay(rollback), (context, name = '') => {
    const { to: version, policy, force, watch } = context.options
    const path = `${named('lvs', name)}/rollback`
    return makeChange(context, { method: 'POST', path, body: { version, policy, force, watch } })
  })
  const revert = withSteps(lvs.command('revert <cluster> <lb>')).description(
    'make one balancer run what it ran last that proved itself',
  )
  remote<StepOptions>(cli, revert, (context, name = '', lb = '') =>
    startSteps(context, `${named('lvs', name)}/revert`, { lb }),
  )
}

interface StepOptions {
  dryRun?: boolean
  wait?: boolean
}

const withSteps = (command: Command): Command =>
  command
    .option('--dry-run', 'only say what would be done')
    .option('--wait', 'stay until it is done and show how it goes')

/** Starts what needs no consent; with `--dry-run` prints its steps. */
async function startSteps(context: Context<StepOptions>, path: string, body: object): Promise<void> {
  if (!context.options.dryRun) return startRun(context, 'POST', path, body)
  const found = await context.api.send('POST', path, steps, { body, query: { dryRun: true } })
  const rows = found.steps.map(({ target, job, summary }) => ({ target, job, 'what it does': summary }))
  context.output.result(found, `${table(rows, 'nothing to do')}\nNothing has been done.`)
}

const steps = preview.pick({ steps: true })

interface DrainOptions extends StepOptions {
  ws?: string
  vip?: string
  lb?: string
  remove?: boolean
  patience?: number
  confirm?: Label
}

const withSubject = (command: Command): Command =>
  withSteps(
    command
      .option('--ws <host>', 'a host, behind every VIP')
      .option('--vip <vip>', 'a VIP, with all of its hosts')
      .option('--lb <lb>', 'a whole balancer: its routers prefer others'),
  )

/** Throws `CliError` unless one thing is named. */
function subjectOf({ ws, vip, lb }: DrainOptions) {
  if ([ws, vip, lb].filter(each => each !== undefined).length === 1) return { ws, vip, lb }
  throw usage('say one of --ws, --vip and --lb')
}

function addDrains(lvs: Command, cli: Cli): void {
  const drain = withSubject(lvs.command('drain <cluster>'))
    .description('take no new connections, and wait for those there are')
    .option('--remove', 'a host or VIP is then taken out of the cluster')
    .option('--patience <seconds>', 'how long connections may take to end (default: 60)', integer)
    .addOption(
      new Option(
        '--confirm <label>',
        'the worst that its removal may do (default: rs-flap for a host, vip-withdrawal for a VIP)',
      ).choices(LABELS),
    )
  remote<DrainOptions>(cli, drain, (context, name = '') => {
    const { remove, patience, confirm } = context.options
    const body = { ...subjectOf(context.options), remove, patience, confirm }
    return startSteps(context, `${named('lvs', name)}/drain`, body)
  })
  const undrain = withSubject(lvs.command('undrain <cluster>')).description(
    'let what was drained take new connections again',
  )
  remote<DrainOptions>(cli, undrain, (context, name = '') =>
    startSteps(context, `${named('lvs', name)}/undrain`, subjectOf(context.options)),
  )
}

function addSettings(lvs: Command, cli: Cli): void {
  const policy = lvs
    .command('policy <cluster>')
    .description('what happens after a change: manual reloads nothing, canary one first, rolling one by one')
    .addArgument(new Argument('<policy>').choices(POLICIES))
  remote(cli, policy, async ({ api, output }, name = '', policy = '') => {
    const changed = await api.send('PUT', `${named('lvs', name)}/policy`, z.unknown(), { body: { policy } })
    output.result(changed, `policy of ${name}: ${policy}`)
  })
  const key = lvs
    .command('ospf-key <cluster>')
    .description('set the key of OSPF, read from standard input; balancers have it with the next sync')
    .addOption(new Option('--confirm <label>', 'the worst that it may do').choices(LABELS))
  remote<{ confirm?: Label }>(cli, key, async ({ api, output, options: { confirm } }, name = '') => {
    const path = `${named('lvs', name)}/ospf-key`
    const body = { key: (await readText('-')).trim(), confirm }
    const { reload } = await api.send('PUT', path, lvsPreview, { body, query: { dryRun: true } })
    for (const line of diffLines(reload.changes)) output.say(line)
    requireConsent(reload, confirm)
    await api.send('PUT', path, z.unknown(), { body })
    const next = `it reaches the balancers with: lazarus lvs sync ${name}`
    output.result({ cluster: name }, `the key of ${name} is set; ${next}`)
  })
}
