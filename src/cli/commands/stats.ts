import { type Command, Option } from 'commander'
import { bytes } from '../../core/bytes.js'
import { type Denial, denial, stat, usageOf } from '../answers.js'
import { type Cli, integer, named, remote } from '../command.js'
import { table, when } from '../output.js'
import { idOf } from './users.js'

interface DenialOptions {
  node?: string
  user?: string
  check?: string
  limit: number
}

/** `stats`, `usage` and `denials`: what goes on at the edges, and why something did not. */
export function addStats(program: Command, cli: Cli): void {
  const stats = program
    .command('stats')
    .description('users online, connections on port 443 and traffic (days and months are UTC)')
    .addOption(
      new Option('--by <scope>', 'of what')
        .choices(['all', 'node', 'pool', 'service', 'user'])
        .default('all'),
    )
  remote<{ by: string }>(cli, stats, async ({ api, output, options: { by } }) => {
    const items = await api.list('/stats', stat, { by })
    const rows = items.map(({ name, online, devices, connections, today, month, total }) => ({
      ...{ [by]: name, online, devices, connections },
      ...{ today: both(today), month: both(month), total: both(total) },
    }))
    output.result(items, table(rows, by === 'user' ? 'nobody is online' : 'nothing yet'))
  })
  const usage = program.command('usage <user>').description('what a user (name or id) used, by day and node')
  remote(cli, usage, async ({ api, output }, who = '') => {
    const found = await api.get(`${named('users', await idOf(api, who))}/usage`, usageOf)
    const rows = found.days.map(({ day, node, up, down, requests }) => ({
      ...{ day, node, up: bytes(up), down: bytes(down), requests },
    }))
    output.result(found, table(rows, `nothing from ${found.from} to ${found.to}`))
  })
  addDenials(program, cli)
}

const both = ({ up, down }: { up: number; down: number }): string => bytes(up + down)

function addDenials(program: Command, cli: Cli): void {
  const denials = program.command('denials').description('requests that edges refused: list, show')
  const list = denials
    .command('list', { isDefault: true })
    .description('the newest first')
    .option('--node <node>', 'of this node')
    .option('--user <id>', 'of this user')
    .option('--check <check>', 'by this check, such as token or rate')
    .option('--limit <count>', 'at most so many', integer, 50)
  remote<DenialOptions>(cli, list, async ({ api, output, options: { node, user, check, limit } }) => {
    const items = await api.list('/denials', denial, { node, user, check }, limit)
    output.result(items, table(items.map(row), 'nothing was refused'))
  })
  const show = denials
    .command('show <id>')
    .description('why one request was refused: the id is the X-Request-Id of its answer')
  remote(cli, show, async ({ api, output }, id = '') => {
    const found = await api.get(named('denials', id), denial)
    output.result(found, table([row(found)], ''))
  })
}

const row = ({ id, at, node, check, reason, user, ip, path }: Denial) => ({
  ...{ id, time: when(at), node: node ?? 'not yet known', check, reason },
  ...{ user: user ?? '', ip: ip ?? '', path: path ?? '' },
})
