import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { z } from 'zod'
import { user, userLink } from '../answers.js'
import type { Api } from '../client.js'
import { type Cli, expiry, moment, remote } from '../command.js'
import { type CsvRow, readCsv } from '../csv.js'
import { CliError, usage } from '../exit.js'
import { table } from '../output.js'

/** Users in one request: with the longest notes it stays below what the API takes. */
const BATCH = 250
const COLUMNS = ['name', 'note', 'plan', 'expires']

const made = z.looseObject({ items: z.array(user.extend(userLink.shape)) })
type Made = z.output<typeof made>['items']

/** `users import`: many users from a file. */
export function addImport(users: Command, cli: Cli): void {
  const command = users
    .command('import <csv>')
    .description(`make the users of a CSV file with the columns ${COLUMNS.join(', ')}; "-" reads stdin`)
    .option('--dry-run', 'only look whether all of them could be made')
  remote<{ dryRun?: boolean }>(cli, command, async ({ api, output, options }, file = '') => {
    const rows = readCsv(read(file), COLUMNS)
    if (rows.length === 0) throw usage(`${file} has no users`)
    requireOnce(rows)
    const batches = Array.from({ length: Math.ceil(rows.length / BATCH) }, (_, index) =>
      rows.slice(index * BATCH, (index + 1) * BATCH),
    )
    // All are looked at before the first is made: a mistake in the last line makes nobody.
    for (const batch of batches) await send(api, batch, true)
    if (options.dryRun) return output.result({ dryRun: true, count: rows.length }, `${rows.length} users`)
    const items: Made = []
    for (const batch of batches) items.push(...(await send(api, batch, false, items.length)).items)
    output.result(
      items,
      table(
        items.map(({ name, link }) => ({ name, link })),
        '',
      ),
    )
  })
}

function read(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw usage(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** Batches are looked at one by one, so a name that is in two of them is found here. */
function requireOnce(rows: readonly CsvRow[]): void {
  const first = new Map<string, number>()
  for (const { line, fields } of rows) {
    const name = fields.name ?? ''
    const before = first.get(name)
    if (before !== undefined) throw usage(`"${name}" is on line ${before} and on line ${line}`)
    first.set(name, line)
  }
}

async function send(api: Api, rows: readonly CsvRow[], dryRun: boolean, done = 0): Promise<{ items: Made }> {
  const body = { users: rows.map(toUser) }
  const schema = dryRun ? z.unknown().transform(() => ({ items: [] })) : made
  try {
    return await api.send('POST', '/users/bulk', schema, { body, query: dryRun ? { dryRun } : {} })
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    const said = error.message.replaceAll(
      /body\.users\.(\d+)\.(\w+)/g,
      (_, index: string, field: string) => `line ${rows[Number(index)]?.line}, ${field}`,
    )
    const before = done > 0 ? `; the ${done} users before are made` : ''
    throw new CliError(error.exit, error.code, said + before, { cause: error })
  }
}

function toUser({ line, fields: { name, note, plan, expires } }: CsvRow): Record<string, unknown> {
  try {
    return {
      name,
      ...(note && { note }),
      ...(plan && { plan }),
      ...(expires && { expiresAt: expiry(moment(expires)) }),
    }
  } catch {
    throw usage(`line ${line}, expires: write a date (2027-01-31), a time from now (30d) or never`)
  }
}
