import { readClientSettings } from '../config/env.js'
import { runCli } from './program.js'

const interrupt = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    // A second signal means it.
    if (interrupt.signal.aborted) process.exit(130)
    interrupt.abort(new Error(`stopped by ${name}`))
  })
}
// `lazarus runs | head` closes the pipe: that is no error.
process.stdout.on('error', () => process.exit(0))

process.exitCode = await runCli(process.argv.slice(2), {
  io: { stdout: process.stdout, stderr: process.stderr },
  settings: () => readClientSettings(),
  signal: interrupt.signal,
})
