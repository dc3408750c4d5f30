import type { Command } from 'commander'
import { z } from 'zod'
import { type Cli, remote, startRun } from '../command.js'

/** `orphans`: what was paid for or recorded and belongs to nobody. */
export function addOrphans(program: Command, cli: Cli): void {
  const orphans = program
    .command('orphans')
    .description('machines, records and states without an owner, with their monthly cost')
    .option('--yes', 'remove them')
    .option('--wait', 'with --yes: stay until they are gone')
  remote<{ yes?: boolean; wait?: boolean }>(cli, orphans, async context => {
    const { api, output, options } = context
    if (options.yes) return startRun(context, 'POST', '/orphans/remove', { yes: true })
    const found = await api.get('/orphans', z.looseObject({}))
    output.result(found, JSON.stringify(found, null, 2))
  })
}
