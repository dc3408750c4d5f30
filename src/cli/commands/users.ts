import { type Command, Option } from 'commander'
import { z } from 'zod'
import { bytes } from '../../core/bytes.js'
import { qrText } from '../../render/subscriptions/qr.js'
import { type User, user, userLink } from '../answers.js'
import type { Api } from '../client.js'
import { type Cli, expiry, integer, moment, named, remote } from '../command.js'
import { usage } from '../exit.js'
import { table, when } from '../output.js'
import { addImport } from './users-import.js'

const made = user.extend(userLink.shape)

/** `users`: who may pass the gate of the edges. */
export function addUsers(program: Command, cli: Cli): void {
  const users = program
    .command('users')
    .description(
      'who may pass the gate of the edges: list, add, show, set, renew, rotate, link, import, remove',
    )
  addLooks(users, cli)
  addMaking(users, cli)
  addChanges(users, cli)
  addLinks(users, cli)
  addImport(users, cli)
}

interface ListOptions {
  plan?: string
  search?: string
  state?: 'on' | 'off' | 'over' | 'ended'
}

function addLooks(users: Command, cli: Cli): void {
  const list = users
    .command('list', { isDefault: true })
    .description('list the users')
    .option('--plan <plan>', 'only those with this plan')
    .option('--search <text>', 'part of the name or of the note')
    .addOption(new Option('--state <state>', 'only those who are').choices(['on', 'off', 'over', 'ended']))
  remote<ListOptions>(cli, list, async ({ api, output, options: { state, plan, search } }) => {
    const condition = {
      ...(state === 'on' && { enabled: true, over: false, expired: false }),
      ...(state === 'off' && { enabled: false }),
      ...(state === 'over' && { over: true }),
      ...(state === 'ended' && { expired: true }),
    }
    const items = await api.list('/users', user, { plan, search, ...condition })
    output.result(items, table(items.map(row), 'no users: lazarus users add alice'))
  })
  const show = users.command('show <user>').description('show one user, by name or id')
  remote(cli, show, async ({ api, output }, who = '') => {
    const found = await api.get(named('users', await idOf(api, who)), user)
    output.result(found, table(details(found), ''))
  })
}

interface MakeOptions {
  plan?: string
  note?: string
  expires?: string
}

function addMaking(users: Command, cli: Cli): void {
  const add = users
    .command('add <name>')
    .description('make a user and print the link for clients')
    .option('--plan <plan>', 'what they may use; without it there are no limits')
    .option('--note <text>', 'for yourself')
    .option(
      '--expires <time>',
      'a date, a time from now (30d) or never; without it, what the plan says',
      moment,
    )
  remote<MakeOptions>(cli, add, async ({ api, output, options: { plan, note, expires } }, name = '') => {
    const body = { name, plan, note, ...(expires !== undefined && { expiresAt: expiry(expires) }) }
    const answer = await api.send('POST', '/users', made, { body })
    output.result(answer, answer.link)
  })
  const remove = users.command('remove <user>').description('remove a user')
  remote(cli, remove, async ({ api, output }, who = '') => {
    const id = await idOf(api, who)
    await api.send('DELETE', named('users', id), z.unknown())
    output.result({ removed: id }, `user ${who} removed`)
  })
}

interface SetOptions extends MakeOptions {
  name?: string
  enable?: boolean
  disable?: boolean
}

function addChanges(users: Command, cli: Cli): void {
  const set = users
    .command('set <user>')
    .description('change a user')
    .option('--name <name>', 'another name')
    .option('--plan <plan>', 'another plan, or none')
    .option('--note <text>', 'for yourself')
    .option('--expires <time>', 'a date, a time from now (30d) or never', moment)
    .option('--enable', 'let it pass')
    .option('--disable', 'do not let it pass')
  remote<SetOptions>(cli, set, async ({ api, output, options }, who = '') => {
    const { name, plan, note, expires, enable, disable } = options
    const body = {
      ...(name !== undefined && { name }),
      ...(note !== undefined && { note }),
      ...(plan !== undefined && { plan: plan === 'none' ? null : plan }),
      ...(expires !== undefined && { expiresAt: expiry(expires) }),
      ...((enable || disable) && { enabled: disable !== true }),
    }
    if (Object.keys(body).length === 0) throw usage('nothing to change: see --help')
    const changed = await api.send('PATCH', named('users', await idOf(api, who)), user, { body })
    output.result(changed, table([row(changed)], ''))
  })
  const renew = users
    .command('renew <user>')
    .description('move the end on, by a month or what the plan says')
    .option('--months <count>', 'by so many months', integer)
    .option('--days <count>', 'by so many days', integer)
  acting(cli, renew, 'renew')
  acting(cli, users.command('enable <user>').description('let a user pass'), 'enable')
  acting(cli, users.command('disable <user>').description('let a user pass no more'), 'disable')
  acting(cli, users.command('reset <user>').description('count the traffic of the period anew'), 'reset')
}

/** A command that does one thing to a user and prints what became of it. */
const acting = (cli: Cli, command: Command, verb: string): Command =>
  remote<{ months?: number; days?: number }>(cli, command, async ({ api, output, options }, who = '') => {
    const { months, days } = options
    const path = `${named('users', await idOf(api, who))}/${verb}`
    const changed = await api.send('POST', path, user, { body: { months, days } })
    output.result(changed, table([row(changed)], ''))
  })

function addLinks(users: Command, cli: Cli): void {
  const rotate = users.command('rotate <user>').description('make a new link; the old one dies')
  remote(cli, rotate, async ({ api, output }, who = '') => {
    const path = `${named('users', await idOf(api, who))}/rotate`
    const answer = await api.send('POST', path, made, { body: {} })
    output.result(answer, answer.link)
  })
  const link = users
    .command('link <user>')
    .description('print the link for clients')
    .option('--qr', 'as a QR code, too')
  remote<{ qr?: boolean }>(cli, link, async ({ api, output, options }, who = '') => {
    const answer = await api.get(`${named('users', await idOf(api, who))}/link`, userLink)
    output.result(answer, options.qr ? `${qrText(answer.link)}\n${answer.link}` : answer.link)
  })
}

/** The id of the user of that name; what is nobody's name is taken for an id. */
export async function idOf(api: Api, who: string): Promise<string> {
  const [found] = await api.list('/users', user, { name: who }, 1)
  return found?.id ?? who
}

/** Everything about one user, a line each. */
const details = (found: User) =>
  Object.entries({
    ...row(found),
    period: `up ${bytes(found.traffic.up)}, down ${bytes(found.traffic.down)}, since ${when(found.traffic.since)}`,
    ever: `up ${bytes(found.total.up)}, down ${bytes(found.total.down)}`,
    devices: found.devices ?? 'no limit',
    note: found.note,
    seen: when(found.lastSeenAt),
    created: when(found.createdAt),
  }).map(([field, value]) => ({ field, value }))

const row = (found: User) => ({
  id: found.id,
  name: found.name,
  plan: found.plan,
  state: stateOf(found),
  expires: found.expiresAt ? when(found.expiresAt) : 'never',
  traffic: trafficOf(found),
})

/** What keeps a user out, the first of several; `on`: nothing. */
function stateOf({ enabled, expiresAt, over }: User): ListOptions['state'] {
  if (!enabled) return 'off'
  if (expiresAt && new Date(expiresAt) <= new Date()) return 'ended'
  return over ? 'over' : 'on'
}

const trafficOf = ({ traffic: { up, down, limit } }: User): string =>
  `${bytes(up + down)} / ${limit === null ? 'no limit' : bytes(limit)}`
