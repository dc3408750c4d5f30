import { readClientSettings } from '../config/env.js'
import { runCli } from './program.js'

const interrupt = new AbortController()
let signals = 0
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    signals += 1
    if (signals === 1) interrupt.abort(new Error(`stopped by ${name}`))
    // The impatient would leave machines and mounts behind, so they are told first.
    if (signals === 2) process.stderr.write('lazarus: still ending what runs; once more leaves it behind\n')
    if (signals > 2) process.exit(130)
  })
}
// `lazarus runs | head` closes the pipe: that is no error.
process.stdout.on('error', () => process.exit(0))

process.exitCode = await runCli(process.argv.slice(2), {
  io: { stdout: process.stdout, stderr: process.stderr },
  settings: () => readClientSettings(),
  signal: interrupt.signal,
})

// The command is over. What still holds the process then is a mistake of ours, and not worth making anybody wait.
setTimeout(() => {
  process.stderr.write('lazarus: something did not end in time\n')
  process.exit()
}, 10_000).unref()
