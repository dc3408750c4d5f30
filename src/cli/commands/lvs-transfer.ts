import type { Command } from 'commander'
import { z } from 'zod'
import { readOriginHashes } from '../../adapters/origin-redis.js'
import { messageOf } from '../../core/errors.js'
import { type Cli, remote } from '../command.js'
import { CliError, EXIT, usage } from '../exit.js'
import { readText } from '../files.js'

const names = z.array(z.string())
const imported = z.looseObject({ added: names, unchanged: names, ignored: names })

/** `import` and `export`: from and to the system that this one takes the place of. */
export function addTransfer(lvs: Command, cli: Cli): void {
  const take = lvs
    .command('import <source>')
    .description(
      'take clusters in, all or none: redis://host:port/db of the original, or a file that export made; - reads either',
    )
    .option('--dry-run', 'only say what would be taken in')
  remote<{ dryRun?: boolean }>(cli, take, async ({ api, output, options }, source = '') => {
    const body = await readSource(source)
    const query = options.dryRun ? { dryRun: true } : {}
    const answer = await api.send('POST', '/lvs/import', imported, { body, query })
    const lines = [
      ...answer.added.map(name => `${name}  ${options.dryRun ? 'would be added' : 'added'}`),
      ...answer.unchanged.map(name => `${name}  is there already, just so`),
      ...answer.ignored.map(field => `${field}  passed over: no field of a cluster`),
    ]
    const end = options.dryRun ? 'Nothing has been done.' : 'Nothing is pushed before: lazarus lvs sync'
    output.result(answer, [...(lines.length === 0 ? ['no clusters'] : lines), end].join('\n'))
  })
  const give = lvs
    .command('export')
    .description('print every cluster as JSON')
    .option('--python', 'as the original keeps them: hashes whose values Python can read')
  remote<{ python?: boolean }>(cli, give, async ({ api, output, options }) => {
    const form = options.python ? 'hashes' : 'clusters'
    const found = await api.get('/lvs/export', z.looseObject({}), { form })
    output.result(found, JSON.stringify(found, null, 2))
  })
}

const isRedis = (text: string): boolean => /^rediss?:\/\//.test(text)

/** What import sends. From standard input an address may come as well: arguments can be seen by other users. */
async function readSource(source: string): Promise<object> {
  const text = isRedis(source) ? source : (await readText(source)).trim()
  if (isRedis(text)) return { hashes: await readOrigin(text) }
  try {
    return z.looseObject({}).parse(JSON.parse(text))
  } catch (cause) {
    throw new CliError(EXIT.usage, 'bad-file', `${source} holds neither JSON nor the address of a Redis`, {
      cause,
    })
  }
}

async function readOrigin(url: string): Promise<object> {
  if (!URL.canParse(url)) throw usage('the address of the Redis is not one: redis://host:port/db')
  try {
    return await readOriginHashes(url)
  } catch (error) {
    const { host } = new URL(url)
    throw new CliError(EXIT.unreachable, 'origin-unreachable', `cannot read ${host}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}
