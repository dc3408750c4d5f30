import { Writable } from 'node:stream'
import { runCli } from '../../src/cli/program.js'
import type { ClientSettings } from '../../src/config/env.js'

/** What a command printed, and how it ended. */
export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs `lazarus ...` in this process, without a terminal and without the environment. */
export async function lazarus(
  argv: readonly string[],
  settings: Partial<ClientSettings> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<CliResult> {
  const [stdout, stderr] = [collector(), collector()]
  const client = {
    LAZARUS_DATA: '/nonexistent',
    LAZARUS_URL: undefined,
    LAZARUS_TOKEN: undefined,
    ...settings,
  }
  const code = await runCli(argv, {
    io: { stdout: stdout.stream, stderr: stderr.stream },
    settings: () => client,
    signal,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text() }
}

function collector() {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  return { stream, text: () => chunks.join('') }
}
