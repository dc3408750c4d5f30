import type { Command } from 'commander'
import { z } from 'zod'
import { lvsChanges, lvsFiles, lvsRevision, lvsState } from '../answers.js'
import { type Cli, integer, named, remote } from '../command.js'
import { diffLines } from '../lvs-diff.js'
import { stateLines } from '../lvs-state.js'
import { table, when } from '../output.js'

/** What can be looked at: revisions, diff, files, state. */
export function addViews(lvs: Command, cli: Cli): void {
  const state = lvs
    .command('state <cluster>')
    .description('what a cluster should do, what its balancers do, and in what the two differ')
    .option('--hosts', 'every host on every balancer, too')
    .option('--lb <host>', 'this balancer alone')
  remote<{ hosts?: boolean; lb?: string }>(cli, state, async ({ api, output, options }, name = '') => {
    const found = await api.get(`${named('lvs', name)}/state`, lvsState, { lb: options.lb })
    output.result(found, stateLines(found, options))
  })
  const revisions = lvs
    .command('revisions <cluster>')
    .description('what was written, newest first')
    .option('--limit <count>', 'at most so many', integer, 20)
  remote<{ limit: number }>(cli, revisions, async ({ api, output, options }, name = '') => {
    const items = await api.list(`${named('lvs', name)}/revisions`, lvsRevision, {}, options.limit)
    const rows = items.map(({ version, createdAt, actor, revision, runs, note }) => ({
      ...{ version, written: when(createdAt), by: actor },
      ...{ revision: revision?.slice(0, 12), 'runs on': runs, note },
    }))
    output.result(items, table(rows, 'nothing was written yet'))
  })
  addDiff(lvs, cli)
  addRender(lvs, cli)
}

function addDiff(lvs: Command, cli: Cli): void {
  const diff = lvs
    .command('diff <cluster>')
    .description('what a reload would change, and what that does to those who are connected')
    .option('--from <version>', 'a version; without it, what the balancers run', integer)
    .option('--to <version>', 'a version; without it, the newest', integer)
  remote<{ from?: number; to?: number }>(cli, diff, async ({ api, output, options }, name = '') => {
    const { from, to } = options
    const found = await api.get(`${named('lvs', name)}/diff`, z.looseObject({ changes: lvsChanges }), {
      from,
      to,
    })
    output.result(found, diffLines(found.changes))
  })
}

function addRender(lvs: Command, cli: Cli): void {
  const render = lvs
    .command('render <cluster> <lb>')
    .description('print the files of a balancer; the OSPF key is left out')
    .option('--at <version>', 'as of this version; without it, the newest', integer)
  remote<{ at?: number }>(cli, render, async ({ api, output, options }, name = '', lb = '') => {
    const query = { lb, version: options.at }
    const found = await api.get(`${named('lvs', name)}/render`, lvsFiles, query)
    const files = Object.entries(found.files).map(([path, text]) => `==> ${path}\n${text.trimEnd()}\n`)
    output.result(found, files.join('\n').trimEnd())
  })
}
