import type { Command } from 'commander'
import { Argument, Option } from 'commander'
import { z } from 'zod'
import { LABELS, type Label } from '../../render/lvs/diff.js'
import { lvsPreview } from '../answers.js'
import { type Cli, type Context, integer, named, remote, startRun } from '../command.js'
import { usage } from '../exit.js'
import { readText } from '../files.js'
import { diffLines } from '../lvs-diff.js'
import { makeChange, type PushOptions, requireConsent, withConsent } from '../lvs-push.js'

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
    .option('--force', 'reload the last healthy balancer too')
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
  const revert = lvs
    .command('revert <cluster> <lb>')
    .description('make one balancer run what it ran last that proved itself')
    .option('--wait', WAIT)
  remote<{ wait?: boolean }>(cli, revert, (context, name = '', lb = '') =>
    startRun(context, 'POST', `${named('lvs', name)}/revert`, { lb }),
  )
}

const WAIT = 'stay until it is done and show how it goes'

interface DrainOptions {
  ws?: string
  vip?: string
  lb?: string
  remove?: boolean
  patience?: number
  wait?: boolean
}

function addDrains(lvs: Command, cli: Cli): void {
  const drain = lvs
    .command('drain <cluster>')
    .description('take no new connections, and wait for those there are')
    .option('--ws <host>', 'a host, behind every VIP')
    .option('--vip <vip>', 'a VIP')
    .option('--lb <lb>', 'a whole balancer: its routers prefer others')
    .option('--remove', 'then take it out of the cluster')
    .option('--patience <seconds>', 'how long connections may take to end', integer)
    .option('--wait', WAIT)
  remote<DrainOptions>(cli, drain, (context: Context<DrainOptions>, name = '') => {
    const { ws, vip, lb, remove, patience } = context.options
    if ([ws, vip, lb].filter(each => each !== undefined).length !== 1)
      throw usage('say one of --ws, --vip and --lb')
    return startRun(context, 'POST', `${named('lvs', name)}/drain`, { ws, vip, lb, remove, patience })
  })
  const undrain = lvs
    .command('undrain <cluster> <lb>')
    .description('let routers send to a balancer again')
    .option('--wait', WAIT)
  remote<{ wait?: boolean }>(cli, undrain, (context, name = '', lb = '') =>
    startRun(context, 'POST', `${named('lvs', name)}/undrain`, { lb }),
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
