import { once } from 'node:events'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { type Logger, pino } from 'pino'
import { startSandbox } from '../adapters/sandbox/sandbox.js'

/** What `lazarus sandbox` was called with. */
export interface SandboxCommand {
  port: number
  dataDir: string
  zone?: string
  log?: Logger
}

/**
 * Runs a sandbox until SIGTERM or SIGINT, then takes it down. Prints one line of JSON, `{"sandbox": <url>}`, when
 * it is ready. Throws `SandboxUnavailable` when it cannot run here.
 */
export async function runSandbox({ log = stderrLog(), ...options }: SandboxCommand): Promise<void> {
  // Roots of machines must be open to their own users; the directory above them is ours alone.
  process.umask(0o022)
  const stop = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')])
  const sandbox = await startSandbox({ ...options, log })
  process.stdout.write(`${JSON.stringify({ sandbox: sandbox.url })}\n`)
  await stop
  await sandbox.close()
}

// Standard output is for the one line that programs read.
const stderrLog = (): Logger => pino({ level: 'info' }, pino.destination({ fd: 2, sync: true }))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: 'string' }, data: { type: 'string' }, zone: { type: 'string' } },
  })
  const { port = '0', data = '.data/sandbox', zone } = values
  await runSandbox({ port: Number(port), dataDir: resolve(data), ...(zone ? { zone } : {}) })
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  main().catch((error: Error) => {
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  })
}
