import type { Command } from 'commander'
import { z } from 'zod'
import { covered, lvsCluster } from '../answers.js'
import { type Cli, named, remote } from '../command.js'
import { table } from '../output.js'
import { addMembers } from './lvs-members.js'
import { addTransfer } from './lvs-transfer.js'
import { addUpkeep } from './lvs-upkeep.js'
import { addViews } from './lvs-views.js'

/** `lvs`: clusters of load balancers. */
export function addLvs(program: Command, cli: Cli): void {
  const lvs = program
    .command('lvs')
    .description(
      'clusters of load balancers: what they are, what they do, and changes that say what they break',
    )
  addLists(lvs, cli)
  addViews(lvs, cli)
  addMembers(lvs, cli)
  addUpkeep(lvs, cli)
  addTransfer(lvs, cli)
}

function addLists(lvs: Command, cli: Cli): void {
  const list = lvs.command('list', { isDefault: true }).description('list the clusters')
  remote(cli, list, async ({ api, output }) => {
    const { message: items } = await api.get('/lvs', covered(z.array(lvsCluster)))
    const rows = items.map(({ name, type, policy, vip2ws, lbinfos }) => ({
      ...{ name, type, policy: policy ?? 'manual', vips: vip2ws.length, balancers: lbinfos.length },
    }))
    output.result(items, table(rows, 'no clusters yet: lazarus lvs create cluster.json'))
  })
  const show = lvs.command('show <cluster>').description('print a cluster as JSON, as it was written')
  remote(cli, show, async ({ api, output }, name = '') => {
    const { message } = await api.get(named('lvs', name), covered(lvsCluster))
    output.result(message, JSON.stringify(message, null, 2))
  })
  for (const [word, what] of [
    ['vips', 'VIP'],
    ['lbs', 'balancer'],
  ] as const) {
    const names = lvs.command(word).description(`list every ${what} of every cluster`)
    remote(cli, names, async ({ api, output }) => {
      const items = await api.get(`/lvs/${word}`, z.array(z.string()))
      output.result(items, items.join('\n'))
    })
  }
}
