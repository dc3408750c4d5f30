import type { Command } from 'commander'
import { Option } from 'commander'
import { z } from 'zod'
import { type Cli, type Context, collect, integer, named, remote } from '../command.js'
import { usage } from '../exit.js'
import { readJson } from '../files.js'
import { makeChange, type PushOptions, withPush } from '../lvs-push.js'

/** What makes a cluster, and its parts: VIPs, balancers, hosts, ports. */
export function addMembers(lvs: Command, cli: Cli): void {
  addClusters(lvs, cli)
  addVips(lvs, cli)
  addBalancers(lvs, cli)
  addHosts(lvs, cli)
  addPorts(lvs, cli)
}

type Ask<O> = (options: O, ...args: string[]) => Promise<Asked> | Asked
interface Asked {
  method: 'POST' | 'PATCH' | 'DELETE'
  /** Below the cluster: `vips`. */
  part: string
  body: object
}

/** A command about a part of a cluster, which is its first argument. */
function edit<O = object>(cli: Cli, command: Command, ask: Ask<O>): void {
  remote<PushOptions & O>(cli, withPush(command), async (context, cluster = '', ...args) => {
    const { method, part, body } = await ask(context.options, ...args)
    await makeChange(context, { method, path: `${named('lvs', cluster)}/${part}`, body })
  })
}

function addClusters(lvs: Command, cli: Cli): void {
  const create = lvs
    .command('create <file>')
    .description('add a cluster from JSON, and publish it; nothing is reloaded unless its policy says so')
  remote<PushOptions>(cli, withPush(create), async (context: Context<PushOptions>, file = '') =>
    makeChange(context, { method: 'POST', path: '/lvs', body: await readJson(file, z.looseObject({})) }),
  )
  const remove = lvs
    .command('delete <cluster>')
    .description('forget a cluster with its history; its balancers stay as they are')
  remote(cli, remove, async ({ api, output }, name = '') => {
    await api.send('DELETE', named('lvs', name), z.unknown())
    output.result({ deleted: name }, `cluster ${name} deleted; its balancers stay as they are`)
  })
}

interface VipOptions {
  wstype: string
  ws: string[]
  port?: object[]
  kind?: string
  scheduler?: string
}

function addVips(lvs: Command, cli: Cli): void {
  const add = lvs
    .command('add-vip <cluster> <vip>')
    .description('add a VIP')
    .requiredOption('--wstype <wstype>', 'the business that it serves')
    .requiredOption('--ws <host>', 'a host behind it (repeatable)', collect)
    .option('--port <port>', 'such as 80, 443:8443 or 53/udp (repeatable; default: 80 and 443)', port)
    .addOption(new Option('--kind <kind>', 'how packets go on').choices(['FNAT', 'DR', 'TUN', 'NAT']))
    .option('--scheduler <name>', 'rr, wrr, lc, wlc, sh or mh (default: wrr)')
  edit<VipOptions>(cli, add, ({ wstype, ws, port: ports, kind, scheduler }, vip) => ({
    ...{ method: 'POST', part: 'vips' },
    body: { vip2ws: [{ vip, wstype, wss: ws, ports, kind, scheduler }] },
  }))
  const remove = lvs.command('remove-vip <cluster> <vips...>').description('remove VIPs')
  edit(cli, remove, (_, ...vips) => ({ method: 'DELETE', part: 'vips', body: { vips } }))
  const wstype = lvs
    .command('set-wstype <cluster> <vip> <wstype>')
    .description('say what business a VIP serves')
  edit(cli, wstype, (_, vip, wstype) => ({ method: 'PATCH', part: 'wstype', body: { vip, wstype } }))
}

function addBalancers(lvs: Command, cli: Cli): void {
  const add = lvs
    .command('add-lb <cluster> <file>')
    .description('add balancers: JSON as in lbinfos, one or a list; - reads standard input')
  edit(cli, add, async (_, file = '') => {
    const given = await readJson(file, z.union([z.array(z.looseObject({})), z.looseObject({})]))
    return { method: 'POST', part: 'lbs', body: { lbinfos: Array.isArray(given) ? given : [given] } }
  })
  const remove = lvs
    .command('remove-lb <cluster> <lbs...>')
    .description('forget balancers; they go on as they are, so drain them and switch them off first')
  edit(cli, remove, (_, ...lbs) => ({ method: 'DELETE', part: 'lbs', body: { lbs } }))
}

function addHosts(lvs: Command, cli: Cli): void {
  const hosts = (vip = '', wss: string[] = []) => ({ vip2ws: [{ vip, wss }] })
  const add = lvs.command('add-ws <cluster> <vip> <hosts...>').description('put hosts behind a VIP')
  edit(cli, add, (_, vip, ...wss) => ({ method: 'POST', part: 'wss', body: hosts(vip, wss) }))
  const remove = lvs
    .command('remove-ws <cluster> <vip> <hosts...>')
    .description('take hosts away from a VIP at once; "drain" lets their connections end first')
  edit(cli, remove, (_, vip, ...wss) => ({ method: 'DELETE', part: 'wss', body: hosts(vip, wss) }))
}

interface PortOptions {
  dport?: number
  synproxy?: boolean
  persistence?: number
  check?: string
}

function addPorts(lvs: Command, cli: Cli): void {
  const add = lvs
    .command('add-port <cluster> <vip> <ports...>')
    .description('add ports to a VIP: 80, 443:8443 (443 on the VIP, 8443 on the hosts) or 53/udp')
  edit(cli, add, (_, vip, ...texts) => ({
    ...{ method: 'POST', part: 'ports' },
    body: { vip, ports: texts.flatMap(text => port(text)) },
  }))
  const remove = lvs.command('remove-port <cluster> <vip> <ports...>').description('remove ports of a VIP')
  edit(cli, remove, (_, vip, ...texts) => ({
    ...{ method: 'DELETE', part: 'ports' },
    body: { vip, sports: texts.map(sport) },
  }))
  const set = lvs
    .command('set-port <cluster> <vip> <port>')
    .description('change a port of a VIP; what is not named stays')
    .option('--dport <port>', 'the port on the hosts', integer)
    .option('--synproxy', 'answer handshakes in place of the hosts')
    .option('--no-synproxy', 'do not')
    .option('--persistence <seconds>', 'how long a client stays with a host; 0: not', integer)
    .addOption(new Option('--check <kind>', 'how hosts are checked').choices(['http', 'https', 'tcp']))
  edit<PortOptions>(cli, set, ({ dport, synproxy, persistence, check }, vip, text = '') => {
    const change = {
      ...{ dport, persistence_timeout: persistence, check },
      ...(synproxy !== undefined && { synproxy: Number(synproxy) }),
    }
    if (Object.values(change).every(value => value === undefined))
      throw usage('nothing to change: see --help')
    return { method: 'PATCH', part: 'ports', body: { vip, sport: sport(text), port: change } }
  })
}

/** A port on a VIP. Throws `CliError`. */
function sport(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw usage(`"${text}" is not a port: write a number`)
}

/** Collects ports as people write them: `80`, `443:8443`, `53/udp`. */
function port(text: string, earlier: object[] = []): object[] {
  const [, sport, dport, protocol] = /^(\d{1,5})(?::(\d{1,5}))?(?:\/(tcp|udp))?$/.exec(text) ?? []
  if (sport === undefined) throw usage(`"${text}" is not a port: write 80, 443:8443 or 53/udp`)
  return [
    ...earlier,
    { sport: Number(sport), dport: Number(dport ?? sport), ...(protocol === 'udp' && { protocol }) },
  ]
}
