import { constants } from 'node:os'
import type { Client, ClientChannel } from 'ssh2'
import { PortError } from '../../core/errors.js'
import type { ExecOptions, ExecResult } from '../../ports/ssh.js'
import { sshError } from './errors.js'
import { quote } from './quote.js'

const KILL_AFTER = 5
// How much longer than the far end we wait, so that its answer, which says more, comes first.
const GRACE = 2_000
const TIMED_OUT = [124, 137]
/** Bytes kept of each stream. */
export const OUTPUT_LIMIT = 1_048_576

/** The command line as the far end's shell gets it: bounded there too, for a closed channel does not end a command. */
export function commandLine(argv: readonly string[], timeout: number): string {
  return quote(['timeout', `--kill-after=${KILL_AFTER}`, String(Math.ceil(timeout / 1000)), ...argv])
}

/**
 * Runs one command. Of each stream the first megabyte is kept, with a last line that says so when there was more.
 * A command killed by a signal has the code 128 + signal. Throws `PortError`: `command-timeout`, `connection-lost`.
 */
export function exec(
  client: Client,
  argv: readonly string[],
  { timeout, stdin }: ExecOptions,
  signal: AbortSignal,
): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const started = Date.now()
    let channel: ClientChannel | undefined
    let settled = false
    const settle = (finish: () => void) => {
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      channel?.close()
      finish()
    }
    const abort = () => settle(() => reject(signal.reason))
    const late = () => settle(() => reject(timedOut(argv, timeout)))
    const timer = setTimeout(late, timeout + KILL_AFTER * 1000 + GRACE)
    signal.addEventListener('abort', abort, { once: true })
    const finished = (result: ExecResult | undefined) => {
      if (!result) settle(() => reject(lost()))
      else if (TIMED_OUT.includes(result.code) && Date.now() - started >= timeout) late()
      else settle(() => resolve(result))
    }
    try {
      client.exec(commandLine(argv, timeout), (error, opened) => {
        if (error) return settle(() => reject(sshError(error)))
        if (settled) return opened.close()
        channel = opened
        collect(opened, finished)
        opened.end(stdin)
      })
    } catch (error) {
      settle(() => reject(sshError(error)))
    }
  })
}

function collect(channel: ClientChannel, finished: (result: ExecResult | undefined) => void): void {
  const stdout = keep(channel)
  const stderr = keep(channel.stderr)
  let code: number | undefined
  channel.on('exit', (exitCode: number | null, name?: string) => {
    code = exitCode ?? 128 + (constants.signals[name as NodeJS.Signals] ?? 0)
  })
  // A failed write (the command did not read its input) shows in the exit code; a lost connection in its absence.
  channel.on('error', () => channel.close())
  channel.on('close', () =>
    finished(code === undefined ? undefined : { code, stdout: stdout(), stderr: stderr() }),
  )
}

/** Keeps the beginning and reads on, so that the far end never blocks on a full pipe. */
function keep(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = []
  let kept = 0
  let cut = false
  stream.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, OUTPUT_LIMIT - kept)
    cut ||= part.length < chunk.length
    kept += part.length
    if (part.length > 0) chunks.push(part)
  })
  const note = `\n[cut: only the first ${OUTPUT_LIMIT} bytes are kept]\n`
  return () => Buffer.concat(chunks).toString('utf8') + (cut ? note : '')
}

const lost = () =>
  new PortError('connection-lost', 'the connection ended before the command did', { retryable: true })

const timedOut = ([program]: readonly string[], timeout: number) =>
  new PortError('command-timeout', `"${program}" was not done within ${timeout / 1000} s`, {
    retryable: true,
  })
