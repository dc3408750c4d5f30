import type { Command } from 'commander'
import { node } from '../answers.js'
import { type Cli, integer, named, remote, startRun } from '../command.js'
import { table, when } from '../output.js'

interface AdoptOptions {
  port?: number
  user?: string
  hostKey?: string
  wait?: boolean
}

/** `nodes` and `adopt`. */
export function addNodes(program: Command, cli: Cli): void {
  const nodes = program.command('nodes').description('machines of the fleet: list, show, remove, resurrect')
  const list = nodes
    .command('list', { isDefault: true })
    .description('list the nodes')
    .option('--pool <pool>', 'of this pool only')
  remote<{ pool?: string }>(cli, list, async ({ api, output, options }) => {
    const items = await api.list('/nodes', node, { pool: options.pool })
    const rows = items.map(({ name, state, fqdn, ipv4, lastBeatAt, reason }) => ({
      name,
      state,
      fqdn,
      ipv4,
      'last beat': when(lastBeatAt),
      reason,
    }))
    output.result(items, table(rows, 'no nodes yet: lazarus scale-out <pool> <count>'))
  })
  remote(
    cli,
    nodes.command('show <node>').description('show one node'),
    async ({ api, output }, name = '') => {
      const found = await api.get(named('nodes', name), node)
      output.result(found, JSON.stringify(found, null, 2))
    },
  )
  const remove = nodes
    .command('remove <node>')
    .description('retire one node and destroy its machine')
    .option('--wait', WAIT)
  remote<{ wait?: boolean }>(cli, remove, (context, name = '') =>
    startRun(context, 'DELETE', named('nodes', name)),
  )
  const resurrect = nodes
    .command('resurrect <node>')
    .description('replace a dead node by a new machine of the same name')
    .option('--force', 'even though it is not dead')
    .option('--wait', WAIT)
  remote<{ force?: boolean; wait?: boolean }>(cli, resurrect, (context, name = '') =>
    startRun(context, 'POST', `${named('nodes', name)}/resurrect`, { force: context.options.force === true }),
  )
  addAdopt(program, cli)
}

const WAIT = 'stay until it is done and show how it goes'

function addAdopt(program: Command, cli: Cli): void {
  const adopt = program
    .command('adopt <pool> <address>')
    .description('make a node of a machine of yours that accepts our SSH key (lazarus ssh-key)')
    .option('--port <port>', 'SSH port', integer)
    .option('--user <user>', 'SSH user')
    .option('--host-key <key>', 'its public host key; without it, the key shown at first contact is pinned')
    .option('--wait', WAIT)
  remote<AdoptOptions>(cli, adopt, (context, pool = '', address = '') => {
    const { port, user, hostKey } = context.options
    return startRun(context, 'POST', '/nodes/adopt', { pool, address, port, user, hostKey })
  })
}
