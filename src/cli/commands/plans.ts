import { type Command, InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { bytes } from '../../core/bytes.js'
import { type Plan, plan } from '../answers.js'
import { type Cli, integer, named, remote } from '../command.js'
import { usage } from '../exit.js'
import { table } from '../output.js'
import { traffic } from '../sizes.js'

interface PlanOptions {
  traffic?: number | 'none'
  devices?: number | 'none'
  period?: string
  days?: number | 'none'
}

/** `plans`: what users may use. */
export function addPlans(program: Command, cli: Cli): void {
  const plans = program.command('plans').description('what users may use: list, show, add, set, remove')
  const list = plans.command('list', { isDefault: true }).description('list the plans')
  remote(cli, list, async ({ api, output }) => {
    const items = await api.list('/plans', plan)
    output.result(items, table(items.map(row), 'no plans yet: lazarus plans add basic --traffic 100GB'))
  })
  const show = plans.command('show <plan>').description('show one plan')
  remote(cli, show, async ({ api, output }, name = '') => {
    const found = await api.get(named('plans', name), plan)
    output.result(found, table([row(found)], ''))
  })
  const add = withLimits(plans.command('add <plan>').description('make a plan'))
  remote<PlanOptions>(cli, add, async ({ api, output, options }, name = '') => {
    const made = await api.send('POST', '/plans', plan, { body: { name, ...limits(options) } })
    output.result(made, table([row(made)], ''))
  })
  const set = withLimits(plans.command('set <plan>').description('change a plan for all who have it'))
  remote<PlanOptions>(cli, set, async ({ api, output, options }, name = '') => {
    const body = limits(options)
    if (Object.keys(body).length === 0) throw usage('nothing to change: see --help')
    const changed = await api.send('PATCH', named('plans', name), plan, { body })
    output.result(changed, table([row(changed)], ''))
  })
  const remove = plans.command('remove <plan>').description('remove a plan that nobody has')
  remote(cli, remove, async ({ api, output }, name = '') => {
    await api.send('DELETE', named('plans', name), z.unknown())
    output.result({ removed: name }, `plan ${name} removed`)
  })
}

const withLimits = (command: Command): Command =>
  command
    .option('--traffic <amount>', 'of one period, such as 100GB, or none', traffic)
    .option('--devices <count>', 'at once, or none', orNone)
    .addOption(
      new Option('--period <period>', 'when traffic is counted anew').choices(['never', 'day', 'month']),
    )
    .option('--days <count>', 'what a new user gets and a renewal adds, or none', orNone)

function orNone(text: string): number | 'none' {
  if (text === 'none') return text
  if (/^\d{1,9}$/.test(text)) return integer(text)
  throw new InvalidArgumentError('Write a whole number or none.')
}

/** What was named, as the API writes it: null for none. */
const limits = ({ traffic, devices, period, days }: PlanOptions): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries({ traffic, devices, period, days })
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, value === 'none' ? null : value]),
  )

const row = ({ name, traffic, devices, period, days, users }: Plan) => ({
  name,
  traffic: traffic === null ? 'no limit' : bytes(traffic),
  period,
  devices: devices ?? 'no limit',
  days: days ?? 'no end',
  users,
})
