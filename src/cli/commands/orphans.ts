import type { Command } from 'commander'
import { type Orphans, orphans } from '../answers.js'
import { type Cli, remote, startRun } from '../command.js'
import { table } from '../output.js'

/** `orphans`: what was paid for or recorded and belongs to nobody. */
export function addOrphans(program: Command, cli: Cli): void {
  const command = program
    .command('orphans')
    .description('machines, records and states without an owner, with their monthly cost')
    .option('--yes', 'remove them')
    .option('--wait', 'with --yes: stay until they are gone')
  remote<{ yes?: boolean; wait?: boolean }>(cli, command, async context => {
    const { api, output, options } = context
    if (options.yes) return startRun(context, 'POST', '/orphans/remove', { yes: true })
    const found = await api.get('/orphans', orphans)
    output.result(found, listing(found))
  })
}

function listing({ machines, records, states }: Orphans): string {
  const rows = [
    ...machines.map(({ name, type, location, monthlyPrice, currency }) => ({
      orphan: 'machine',
      name,
      detail: `${type} in ${location}`,
      'a month': `${monthlyPrice.toFixed(2)} ${currency}`,
    })),
    ...records.map(({ name, type, values }) => ({
      orphan: `${type} record`,
      name,
      detail: values.join(' '),
      'a month': '',
    })),
    ...states.map(name => ({ orphan: 'state', name, detail: '', 'a month': '' })),
  ]
  const text = table(rows, 'nothing is without an owner')
  return rows.length > 0 ? `${text}\nRemove them with: lazarus orphans --yes` : text
}
