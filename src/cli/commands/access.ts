import type { Command } from 'commander'
import { z } from 'zod'
import { auditEntry, madeToken, notice, pageOf, token } from '../answers.js'
import { type Cli, collect, expiry, integer, moment, named, remote } from '../command.js'
import { table, when } from '../output.js'

/** `token`, `audit`, `notices` and `ssh-key`. */
export function addAccess(program: Command, cli: Cli): void {
  addTokens(
    program.command('token').alias('tokens').description('keys to the API: list, create, revoke'),
    cli,
  )
  const audit = program
    .command('audit')
    .description('who did what')
    .option('--limit <count>', 'at most so many', integer, 50)
  remote<{ limit: number }>(cli, audit, async ({ api, output, options }) => {
    const items = await api.list('/audit', auditEntry, {}, options.limit)
    const rows = items.map(({ at, actor, action, target }) => ({ time: when(at), actor, action, target }))
    output.result(items, table(rows, 'nothing yet'))
  })
  const notices = program
    .command('notices')
    .description('what the operators were told: nodes that died or came back, runs that failed')
    .option('--limit <count>', 'at most so many', integer, 50)
  remote<{ limit: number }>(cli, notices, async ({ api, output, options }) => {
    const items = await api.list('/notifications', notice, {}, options.limit)
    const rows = items.map(({ at, kind, text }) => ({ time: when(at), kind, notice: text }))
    output.result(items, table(rows, 'nothing yet'))
  })
  const key = program
    .command('ssh-key')
    .description('the public key to authorize on a machine before adopting it')
  remote(cli, key, async ({ api, output }) => {
    const answer = await api.get('/ssh-key', z.looseObject({ publicKey: z.string() }))
    output.result(answer, answer.publicKey.trim())
  })
}

function addTokens(tokens: Command, cli: Cli): void {
  remote(
    cli,
    tokens.command('list', { isDefault: true }).description('list the tokens'),
    async ({ api, output }) => {
      const { items } = await api.get('/tokens', pageOf(token))
      const rows = items.map(item => ({
        id: item.id,
        name: item.name,
        scopes: item.scopes,
        expires: item.expiresAt ? when(item.expiresAt) : 'never',
        revoked: when(item.revokedAt),
      }))
      output.result(items, table(rows, 'no tokens'))
    },
  )
  const create = tokens
    .command('create <name>')
    .description('make a token; it is shown once')
    .requiredOption('--scope <scope>', 'what it may do, such as fleet:read (repeatable)', collect)
    .option('--expires <time>', 'a date, a time from now (30d) or never', moment, 'never')
  remote<{ scope: string[]; expires: string }>(cli, create, async ({ api, output, options }, name = '') => {
    const { scope: scopes, expires } = options
    const made = await api.send('POST', '/tokens', madeToken, {
      body: { name, scopes, expiresAt: expiry(expires) },
    })
    output.result(made, made.token)
    output.say('This token is not shown again.')
  })
  remote(
    cli,
    tokens.command('revoke <id>').description('end a token now'),
    async ({ api, output }, id = '') => {
      await api.send('DELETE', named('tokens', id), z.unknown())
      output.result({ revoked: id }, `token ${id} revoked`)
    },
  )
}
