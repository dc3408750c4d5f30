import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** A file of ours to start, as `compile.ts` made it of the source. */
export const entryOf = (source: string): string => path.join(ROOT, 'dist', source.replace(/\.ts$/, '.js'))

/** The command itself. */
export const LAZARUS = entryOf('src/cli/main.ts')

/** A `lazarus` command running as a process of its own. */
export interface Program {
  child: ChildProcess
  /** The first line of standard output, which these commands print as JSON when they are ready. */
  ready: Promise<Record<string, unknown>>
  /** Resolves with the exit code, or null when a signal ended it. */
  ended: Promise<number | null>
  /** What it logged so far. */
  log(): string
  /** Writes a line to its standard input. */
  tell(line: string): void
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/** Starts `entry` (default: the command itself) with nothing of this environment but what programs need. */
export function startProgram(argv: readonly string[], env: Record<string, string>, entry = LAZARUS): Program {
  const { PATH = '', HOME = '/root', TMPDIR } = process.env
  const child = spawn(process.execPath, [entry, ...argv], {
    cwd: ROOT,
    env: { PATH, HOME, LANG: 'C', ...(TMPDIR && { TMPDIR }), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // It may have been killed before it was told.
  child.stdin?.on('error', () => undefined)
  const seen = { stdout: '', stderr: '' }
  child.stderr?.on('data', chunk => (seen.stderr += chunk))
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const firstLine = new Promise<string>(resolve => {
    child.stdout?.on('data', chunk => {
      seen.stdout += chunk
      const end = seen.stdout.indexOf('\n')
      if (end >= 0) resolve(seen.stdout.slice(0, end))
    })
  })
  const early = ended.then(code => {
    throw new Error(`lazarus ${argv[0]} ended (${code}) before it was ready:\n${seen.stderr.slice(-2_000)}`)
  })
  const ready = Promise.race([firstLine, early]).then(line => JSON.parse(line) as Record<string, unknown>)
  // Whoever does not wait for it may still wait for the end.
  for (const promise of [early, ready]) promise.catch(() => undefined)
  return {
    child,
    ready,
    ended,
    log: () => seen.stderr,
    tell: line => void child.stdin?.write(`${line}\n`),
    end(signal) {
      child.kill(signal)
      return ended
    },
  }
}
