import { type Command, Option } from 'commander'
import { z } from 'zod'
import { type Preview, pool, preview } from '../answers.js'
import { type Cli, type Context, collect, named, remote, startRun, wholeNumber } from '../command.js'
import { usage } from '../exit.js'
import { pad, table } from '../output.js'

interface PoolOptions {
  zone?: string
  type?: string[]
  location?: string[]
  image?: string
  resurrect?: boolean
  service?: string
  role?: string
  vip?: string[]
}

/** `pools`, `scale-out` and `scale-in`. */
export function addPools(program: Command, cli: Cli): void {
  const pools = program
    .command('pools')
    .description('groups of like machines: list, create, show, set, delete')
  remote(
    cli,
    pools.command('list', { isDefault: true }).description('list the pools'),
    async ({ api, output }) => {
      const items = await api.list('/pools', pool)
      const rows = items.map(({ name, role, zone, types, locations, image, resurrect, service, vips }) => ({
        ...{ name, role, zone, types, locations, image, resurrect, service, vips },
      }))
      output.result(items, table(rows, 'no pools yet: lazarus pools create edge'))
    },
  )
  remote(
    cli,
    pools.command('show <pool>').description('show one pool'),
    async ({ api, output }, name = '') => {
      const found = await api.get(named('pools', name), pool)
      output.result(found, table([found], ''))
    },
  )
  remote<PoolOptions>(cli, createCommand(pools), async ({ api, output, options }, name = '') => {
    const { zone, type, location, image, resurrect, role, vip } = options
    const made = await api.send('POST', '/pools', pool, {
      body: {
        name,
        zone,
        types: type,
        locations: location,
        image,
        ...(resurrect === false && { resurrect }),
        role: role ?? (vip && 'ws'),
        vips: vip,
      },
    })
    output.result(
      made,
      `pool ${made.name} in ${made.zone}; raise machines with: lazarus scale-out ${made.name} 3`,
    )
  })
  remote<PoolOptions>(cli, changeCommand(pools), async ({ api, output, options }, name = '') => {
    const { type, location, image, resurrect, role, vip } = options
    const service = options.service === 'none' ? null : options.service
    const vips = vip ?? (role === 'edge' ? [] : undefined)
    const change = { types: type, locations: location, image, resurrect, service, role, vips }
    if (Object.values(change).every(value => value === undefined))
      throw usage('nothing to change: see --help')
    const changed = await api.send('PATCH', named('pools', name), pool, { body: change })
    output.result(changed, table([changed], ''))
  })
  remote(
    cli,
    pools.command('delete <pool>').description('delete an empty pool'),
    async ({ api, output }, name = '') => {
      await api.send('DELETE', named('pools', name), z.unknown())
      output.result({ deleted: name }, `pool ${name} deleted`)
    },
  )
  addScaling(program, cli)
}

const createCommand = (pools: Command): Command =>
  pools
    .command('create <pool>')
    .description('create a pool')
    .option('--zone <zone>', 'DNS zone of its nodes (default: LAZARUS_ZONE)')
    .option(
      '--type <type>',
      'machine type, in order of preference (repeatable; default: the cheapest)',
      collect,
    )
    .option('--location <location>', 'where, in order of preference (repeatable)', collect)
    .option('--image <image>', 'operating system image')
    .option('--no-resurrect', 'do not replace dead nodes without being asked')
    .addOption(roleOption())
    .option(
      '--vip <vip>',
      'a VIP of load balancers that its nodes join; makes the role ws (repeatable)',
      collect,
    )

const changeCommand = (pools: Command): Command =>
  pools
    .command('set <pool>')
    .description('change what is bought from now on; nodes that exist stay as they are')
    .option('--type <type>', 'machine type, in order of preference (repeatable)', collect)
    .option('--location <location>', 'where, in order of preference (repeatable)', collect)
    .option('--image <image>', 'operating system image')
    .option('--resurrect', 'replace dead nodes without being asked')
    .option('--no-resurrect', 'do not')
    .option('--service <service>', 'the service whose rules its nodes follow; none: the defaults')
    .addOption(roleOption())
    .option('--vip <vip>', 'a VIP that the next nodes join, instead of those so far (repeatable)', collect)

const roleOption = (): Option =>
  new Option('--role <role>', 'edge: found by name; ws: stands behind VIPs as well').choices(['edge', 'ws'])

interface ScaleOptions {
  node?: string[]
  dryRun?: boolean
  wait?: boolean
}

function addScaling(program: Command, cli: Cli): void {
  const out = program
    .command('scale-out <pool> <count>')
    .description('raise more machines in a pool')
    .option('--dry-run', 'only say what would be done, and its monthly price')
    .option('--wait', 'stay until it is done and show how it goes')
  remote<ScaleOptions>(cli, out, (context, name = '', count = '') =>
    scale(context, `${named('pools', name)}/scale-out`, { count: wholeNumber(count) }),
  )
  const down = program
    .command('scale-in <pool> [count]')
    .description('retire machines of a pool: the newest, or those named')
    .option('--node <node>', 'this node (repeatable)', collect)
    .option('--dry-run', 'only say what would be done')
    .option('--wait', 'stay until it is done and show how it goes')
  remote<ScaleOptions>(cli, down, (context, name = '', count) => {
    const { node: nodes } = context.options
    if ((count === undefined) === (nodes === undefined)) throw usage('give a count, or nodes with --node')
    return scale(
      context,
      `${named('pools', name)}/scale-in`,
      nodes ? { nodes } : { count: wholeNumber(count ?? '') },
    )
  })
}

async function scale(context: Context<ScaleOptions>, path: string, body: object): Promise<void> {
  if (!context.options.dryRun) return startRun(context, 'POST', path, body)
  const plan = await context.api.send('POST', path, preview, { body, query: { dryRun: true } })
  context.output.result(plan, previewText(plan))
}

function previewText({ nodes, records, steps, monthlyPrice, currency }: Preview): string {
  const price = `${monthlyPrice.toFixed(2)} ${currency}`.trim()
  return [
    'nodes',
    ...nodes.map(({ name, fqdn }) => `  ${name}  ${fqdn}`),
    'records',
    ...records.map(({ type, name }) => `  ${type}  ${name}`),
    'steps',
    ...steps.map(({ target, job, summary }) => `  ${pad(target, 10)} ${pad(job, 18)} ${summary}`),
    `monthly price: ${price}`,
    'Nothing has been done.',
  ].join('\n')
}
