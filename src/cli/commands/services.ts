import type { Command } from 'commander'
import { z } from 'zod'
import { difference, pageOf, published, publishPreview, service, snapshot } from '../answers.js'
import { type Cli, type Context, finish, integer, named, remote } from '../command.js'
import { CliError, EXIT } from '../exit.js'
import { readJson } from '../files.js'
import { table, when } from '../output.js'
import { noView, progressView } from '../progress.js'
import { watchRun } from '../watch.js'

/** `services`: what edges follow. */
export function addServices(program: Command, cli: Cli): void {
  const services = program
    .command('services')
    .description(
      'rules that edges follow: list, create, show, set, publish, rollback, snapshots, diff, delete',
    )
  addLooks(services, cli)
  addDrafts(services, cli)
  addPublishing(services, cli)
}

function addLooks(services: Command, cli: Cli): void {
  const list = services.command('list', { isDefault: true }).description('list the services')
  remote(cli, list, async ({ api, output }) => {
    const items = await api.list('/services', service)
    const rows = items.map(({ name, type, current, latest }) => ({
      ...{ name, type },
      ...{ 'in force': current, latest },
    }))
    output.result(items, table(rows, 'no services yet: lazarus services create web'))
  })
  const show = services
    .command('show <service>')
    .description('print the draft as JSON, to be changed and set')
  remote(cli, show, async ({ api, output }, name = '') => {
    const found = await api.get(named('services', name), service)
    output.result(found, JSON.stringify({ rules: found.rules, nginx: found.nginx }, null, 2))
  })
  const snapshots = services.command('snapshots <service>').description('what was published, newest first')
  remote(cli, snapshots, async ({ api, output }, name = '') => {
    const { items } = await api.get(`${named('services', name)}/snapshots`, pageOf(snapshot), { limit: 50 })
    const rows = items.map(({ version, createdAt, actor, goodAt, note }) => ({
      ...{ version, published: when(createdAt), by: actor, good: when(goodAt), note },
    }))
    output.result(items, table(rows, `nothing yet: lazarus services publish ${name}`))
  })
  const diff = services
    .command('diff <service>')
    .description('what differs between the latest snapshot and the draft, or between two versions')
    .option('--from <version>', 'a version', integer)
    .option('--to <version>', 'a version; without it, the draft', integer)
  remote<{ from?: number; to?: number }>(cli, diff, async ({ api, output, options }, name = '') => {
    const { from, to } = options
    const found = await api.get(`${named('services', name)}/diff`, difference, { from, to })
    output.result(found, found.unified === '' ? 'no difference' : found.unified.trimEnd())
  })
}

const draftFile = z.looseObject({})

function addDrafts(services: Command, cli: Cli): void {
  const create = services
    .command('create <service>')
    .description('create a service; nothing reaches a node before it is published')
    .option('--media', 'for server entries on hosts that pull, instead of our own edges')
    .option('--file <file>', 'its draft: JSON with rules and nginx; - reads standard input')
  remote<{ media?: boolean; file?: string }>(cli, create, async ({ api, output, options }, name = '') => {
    const draft = options.file === undefined ? {} : await readJson(options.file, draftFile)
    const body = { ...draft, name, type: options.media ? 'media' : 'proxy' }
    const made = await api.send('POST', '/services', service, { body })
    output.result(made, `service ${made.name}; put it in force with: lazarus services publish ${made.name}`)
  })
  const set = services
    .command('set <service>')
    .description('replace the draft; what is left out has its default')
    .requiredOption('--file <file>', 'JSON with rules and nginx; - reads standard input')
  remote<{ file: string }>(cli, set, async ({ api, output, options }, name = '') => {
    const body = await readJson(options.file, draftFile)
    const changed = await api.send('PUT', named('services', name), service, { body })
    output.result(changed, `draft of ${name} set; look at it with: lazarus services diff ${name}`)
  })
  const remove = services.command('delete <service>').description('delete a service that nothing names')
  remote(cli, remove, async ({ api, output }, name = '') => {
    await api.send('DELETE', named('services', name), z.unknown())
    output.result({ deleted: name }, `service ${name} deleted`)
  })
}

interface PublishOptions {
  note?: string
  watch?: number
  ignoreErrors?: boolean
  dryRun?: boolean
  wait?: boolean
  to?: number
}

function addPublishing(services: Command, cli: Cli): void {
  const publish = services
    .command('publish <service>')
    .description('make a snapshot of the draft and roll it out')
  withPace(publish).option('--dry-run', 'only say what would change, and on which nodes')
  remote<PublishOptions>(cli, publish, async (context, name = '') => {
    const path = `${named('services', name)}/publish`
    if (!context.options.dryRun) return roll(context, path, paceOf(context.options))
    const { api, output } = context
    const plan = await api.send('POST', path, publishPreview, { body: {}, query: { dryRun: true } })
    output.result(plan, previewText(plan))
  })
  const rollback = services
    .command('rollback <service>')
    .description('go back to the last snapshot that every node followed, or to a version')
    .option('--to <version>', 'this version', integer)
  remote<PublishOptions>(cli, withPace(rollback), (context, name = '') =>
    roll(context, `${named('services', name)}/rollback`, {
      ...{ ...paceOf(context.options), version: context.options.to },
    }),
  )
}

const withPace = (command: Command): Command =>
  command
    .option('--note <text>', 'why, for the history')
    .option('--watch <seconds>', 'how long each wave but the last is watched (default: 120)', integer)
    .option('--ignore-errors', 'go on although more is denied than before')
    .option('--wait', 'stay until it is done and show how it goes')

const paceOf = ({ note, watch, ignoreErrors }: PublishOptions) => ({
  note,
  watchSeconds: watch,
  ignoreErrors,
})

async function roll(
  { api, output, options, signal }: Context<PublishOptions>,
  path: string,
  body: object,
): Promise<void> {
  const answer = await api.send('POST', path, published, { body })
  const { run, snapshot, rollout } = answer
  if (rollout === 'not-started')
    throw new CliError(
      EXIT.failed,
      rollout,
      `version ${snapshot.version} is stored, but Redis went away before its rollout began: publish again`,
    )
  if (run === null)
    return output.result(answer, `version ${snapshot.version} is published; no rollout was needed`)
  if (!options.wait)
    return output.result(
      answer,
      `version ${snapshot.version}: run ${run} rolls it out; follow it with: lazarus runs watch ${run}`,
    )
  output.say(`version ${snapshot.version}: run ${run}`)
  finish(output, await watchRun(api, run, output.json ? noView : progressView(output), signal), 'succeeded')
}

function previewText({ unified, nodes, hosts }: z.output<typeof publishPreview>): string {
  const wave = (title: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${title}  ${names.join(' ')}`]
  return [
    unified === '' ? 'no difference' : unified.trimEnd(),
    ...wave('first', nodes.canary),
    ...wave('then', nodes.tenth),
    ...wave('rest', nodes.rest),
    ...wave('with their first beat', nodes.absent),
    ...wave('hosts', hosts),
  ].join('\n')
}
