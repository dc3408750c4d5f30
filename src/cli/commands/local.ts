import path from 'node:path'
import type { Command } from 'commander'
import { readSettings } from '../../config/env.js'
import type { Cli } from '../command.js'
import { integer } from '../command.js'
import { readClientFile, writeClientFile } from '../connection.js'
import { createOutput, type Output } from '../output.js'
import { untilStopped } from '../until-stopped.js'

interface UpOptions {
  port?: number
  data?: string
  sandbox?: boolean
  sandboxUrl?: string
  json?: boolean
}

const DATA = 'data directory (LAZARUS_DATA)'
const JSON_HELP = 'print one line of JSON when ready, and nothing else'

/** `up`, `api`, `worker` and `sandbox`: they run until Ctrl-C. What they start is loaded only when asked for. */
export function addLocal(program: Command, cli: Cli): void {
  program
    .command('up')
    .description('run API and worker in one process, with a Redis where none is set')
    .option('--port <port>', 'port of the API on 127.0.0.1 (default: LAZARUS_LISTEN)', integer)
    .option('--data <dir>', DATA)
    .option('--sandbox', 'with a cloud of its own, also on this machine')
    .option('--sandbox-url <url>', 'with the sandbox that runs there')
    .option('--json', JSON_HELP)
    .action((options: UpOptions) => up(cli, options))
  program
    .command('api')
    .description('run the API alone')
    .option('--port <port>', 'port on 127.0.0.1 (default: LAZARUS_LISTEN)', integer)
    .option('--data <dir>', DATA)
    .option('--json', JSON_HELP)
    .action(async (options: UpOptions) => {
      const { runApi } = await import('../../main/up.js')
      const api = await runApi({ port: options.port, dataDir: options.data })
      const output = createOutput(cli.io, options.json === true)
      const dataDir = path.resolve(options.data ?? cli.settings().LAZARUS_DATA)
      announce(output, { ...api, dataDir }, {})
      await untilStopped(cli, api)
    })
  addWorker(program, cli)
  addSandbox(program, cli)
}

async function up(cli: Cli, options: UpOptions): Promise<void> {
  const { runUp } = await import('../../main/up.js')
  const { port, data: dataDir } = options
  const running = await runUp({ port, dataDir, sandbox: options.sandboxUrl ?? options.sandbox === true })
  const output = createOutput(cli.io, options.json === true)
  announce(output, running, { compute: running.compute, sandbox: running.sandboxUrl })
  await untilStopped(cli, running)
}

/** Says where everything is, and keeps it for the commands that follow. The token is shown when it is new. */
function announce(
  output: Output,
  { url, adminToken, dataDir }: { url: string; adminToken: string | null; dataDir: string },
  more: Record<string, string | null>,
): void {
  const token = adminToken ?? readClientFile(dataDir)?.token
  if (token) writeClientFile(dataDir, { url, token })
  // A token from the settings is known already, and logs are read by many.
  const made = readSettings().LAZARUS_ADMIN_TOKEN === undefined ? adminToken : null
  const lines = {
    API: url,
    'Bull Board': `${url}/ops/queues`,
    documentation: `${url}/docs`,
    ...more,
    ...(made && {
      'admin token': `${made}  (shown once; kept in ${path.join(dataDir, 'client.json')})`,
    }),
  }
  const text = Object.entries(lines).flatMap(([name, value]) =>
    value ? [`${name.padEnd(14)} ${value}`] : [],
  )
  output.result({ url, adminToken: made, ...more }, text.join('\n'))
  output.say('Ctrl-C ends it.')
}

function addWorker(program: Command, cli: Cli): void {
  program
    .command('worker')
    .description('run a worker alone')
    .option('--data <dir>', DATA)
    .option('--json', JSON_HELP)
    .action(async (options: UpOptions) => {
      const { runWorker } = await import('../../main/up.js')
      const worker = await runWorker({ dataDir: options.data })
      createOutput(cli.io, options.json === true).result({ worker: process.pid }, 'working')
      await untilStopped(cli, worker)
    })
}

function addSandbox(program: Command, cli: Cli): void {
  program
    .command('sandbox')
    .description('run a cloud on this machine: Hetzner Cloud, Cloudflare, DNS and ACME, with real machines')
    .option('--port <port>', 'port on 127.0.0.1; 0 takes a free one', integer, 0)
    .option('--data <dir>', 'directory of its state and machines', '.data/sandbox')
    .option('--zone <zone>', 'DNS zone that exists from the start', 'lazarus.test')
    .option('--clean', 'only remove what a killed sandbox left there')
    .option('--json', 'has no effect: a sandbox prints one line of JSON anyway')
    .action(async (options: { port: number; data: string; zone: string; clean?: boolean }) => {
      const dataDir = path.resolve(options.data)
      if (options.clean) return clean(cli, dataDir)
      const { runSandbox } = await import('../../main/sandbox.js')
      await runSandbox({ port: options.port, dataDir, zone: options.zone })
    })
}

async function clean(cli: Cli, dataDir: string): Promise<void> {
  const { existsSync } = await import('node:fs')
  const { cleanSandbox } = await import('../../adapters/sandbox/sandbox.js')
  if (existsSync(dataDir)) await cleanSandbox(dataDir)
  createOutput(cli.io, false).result({}, `nothing is left running in ${dataDir}`)
}
