import type { Command } from 'commander'
import { z } from 'zod'
import { madeToken, server } from '../answers.js'
import { type Cli, collect, named, remote } from '../command.js'
import { usage } from '../exit.js'
import { table, when } from '../output.js'

type Server = z.output<typeof server>

interface EntryOptions {
  service?: string
  host?: string
  name?: string
  upstream?: string[]
  websocket?: boolean
  enable?: boolean
  disable?: boolean
}

/** `servers`: what media hosts serve. */
export function addServers(program: Command, cli: Cli): void {
  const servers = program
    .command('servers')
    .description('names that media hosts serve: list, create, show, set, token, delete')
  addLooks(servers, cli)
  addChanges(servers, cli)
}

function addLooks(servers: Command, cli: Cli): void {
  const list = servers
    .command('list', { isDefault: true })
    .description('list the server entries')
    .option('--service <service>', 'only those of this service')
    .option('--host <host>', 'only those on this host')
  remote<EntryOptions>(cli, list, async ({ api, output, options: { service, host } }) => {
    const items = await api.list('/servers', server, { service, host })
    output.result(items, table(items.map(row), 'no server entries yet: lazarus servers create --help'))
  })
  const show = servers.command('show <id>').description('show one entry as JSON')
  remote(cli, show, async ({ api, output }, id = '') => {
    const found = await api.get(named('servers', id), server)
    output.result(found, JSON.stringify(found, null, 2))
  })
}

function addChanges(servers: Command, cli: Cli): void {
  const create = servers
    .command('create <name>')
    .description('serve a name on a host')
    .requiredOption('--service <service>', 'a service of type media')
    .requiredOption('--host <host>', 'the machine')
    .requiredOption('--upstream <address>', 'host:port or URL of what stands behind it (repeatable)', collect)
    .option('--no-websocket', 'connections may not become WebSockets')
  remote<EntryOptions>(cli, create, async ({ api, output, options }, name = '') => {
    const { service, host, upstream, websocket } = options
    const body = { serverName: name, service, host, upstream, websocket }
    const made = await api.send('POST', '/servers', server, { body })
    output.result(made, `${made.id}: ${name} on ${host}; its host's token: lazarus servers token ${made.id}`)
  })
  const set = servers
    .command('set <id>')
    .description('change an entry')
    .option('--upstream <address>', 'host:port or URL (repeatable)', collect)
    .option('--host <host>', 'move it to this machine')
    .option('--enable', 'serve it')
    .option('--disable', 'do not serve it, and refuse its token')
  remote<EntryOptions>(cli, set, async ({ api, output, options }, id = '') => {
    const { upstream, host, enable, disable } = options
    const body = { upstream, host, ...((enable || disable) && { enabled: disable !== true }) }
    if (Object.values(body).every(value => value === undefined)) throw usage('nothing to change: see --help')
    const changed = await api.send('PATCH', named('servers', id), server, { body })
    output.result(changed, table([row(changed)], ''))
  })
  const token = servers
    .command('token <id>')
    .description('make the token for the agent of its host, and end the one before; it is shown once')
  remote(cli, token, async ({ api, output }, id = '') => {
    const made = await api.send('POST', `${named('servers', id)}/token`, madeToken)
    output.result(made, made.token)
    output.say('This token is not shown again.')
  })
  const remove = servers.command('delete <id>').description('delete an entry with its token')
  remote(cli, remove, async ({ api, output }, id = '') => {
    await api.send('DELETE', named('servers', id), z.unknown())
    output.result({ deleted: id }, `server entry ${id} deleted`)
  })
}

const row = ({ id, serverName, host, service, enabled, upstream, state }: Server) => ({
  ...{ id, name: serverName, host, service, upstream },
  config: enabled ? configOf(state) : 'disabled',
  seen: when(state.seenAt),
})

const configOf = ({ status, acked, version }: Server['state']): string =>
  status === 'failed' ? 'failed' : acked === version ? 'applied' : 'waiting'
