import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { packageRoot } from '../adapters/hcloud/stacks.js'
import { childEnvironment } from '../config/env.js'
import { codeOf, Fatal } from '../core/errors.js'
import { readRunning } from './running.js'

const descriptionSchema = z.object({
  gateway: z.ipv4(),
  settings: z.record(z.string(), z.string()),
})
export type SandboxDescription = z.output<typeof descriptionSchema>

/** A sandbox to work with; `close` ends it when it was started here. */
export interface UsableSandbox extends SandboxDescription {
  url: string
  close(): Promise<void>
}

/** Uses the sandbox at `url`. */
export async function useSandbox(url: string): Promise<UsableSandbox> {
  return { ...(await describe(url)), url, close: async () => undefined }
}

/**
 * Starts a sandbox as a process of its own, which a killed control plane leaves running; one left running on
 * `dataDir` is used again. Throws `Fatal` with what it said when it does not start; `warn` is told what was wrong and
 * does no harm.
 */
export async function startSandboxProcess(
  dataDir: string,
  warn: (message: string) => void,
): Promise<UsableSandbox> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const left = await findRunning(dataDir, warn)
  if (left) return left
  const logFile = join(dataDir, 'sandbox.log')
  const log = openSync(logFile, 'a', 0o600)
  const program = join(await packageRoot(), 'bin/lazarus')
  const child = spawn(program, ['sandbox', '--port', '0', '--data', dataDir], {
    stdio: ['ignore', 'ignore', log],
    detached: true,
    env: childEnvironment(),
  })
  closeSync(log)
  await once(child, 'spawn')
  try {
    return await untilUp(dataDir, () => child.exitCode !== null, logFile)
  } catch (error) {
    // Nobody would end it: what it still writes would be in the way of whoever clears up.
    if (child.pid !== undefined) await terminate(child.pid)
    throw error
  } finally {
    child.unref()
  }
}

/** The sandbox that answers for a directory; null when none does. */
async function findRunning(dataDir: string, warn: (message: string) => void): Promise<UsableSandbox | null> {
  const running = readRunning(join(dataDir, 'sandbox.json'), warn)
  if (!running) return null
  const { url, pid } = running
  return describe(url).then(
    description => ({ ...description, url, close: () => terminate(pid) }),
    () => null,
  )
}

async function untilUp(dataDir: string, hasExited: () => boolean, logFile: string): Promise<UsableSandbox> {
  for (let tries = 0; tries < 1_200; tries++) {
    // It was told of already, and goes as soon as the new one has written its own.
    const running = await findRunning(dataDir, () => undefined)
    if (running) return running
    if (hasExited()) break
    await pause(50)
  }
  const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join('\n')
  throw new Fatal('sandbox-failed', `the sandbox did not start: ${said}`)
}

async function describe(url: string): Promise<SandboxDescription> {
  const answer = await fetch(`${url}/_sandbox`, { signal: AbortSignal.timeout(5_000) }).catch(error => {
    throw new Fatal(
      'sandbox-away',
      `no sandbox answers at ${url} (${codeOf(error.cause)}): start one with lazarus sandbox`,
    )
  })
  if (!answer.ok) throw new Fatal('sandbox-away', `${url} is not a sandbox: it answered ${answer.status}`)
  return descriptionSchema.parse(await answer.json())
}

async function terminate(pid: number): Promise<void> {
  if (!signal(pid, 'SIGTERM')) return
  for (let tries = 0; tries < 600; tries++) {
    if (!signal(pid, 0)) return
    await pause(50)
  }
  throw new Error(`the sandbox (process ${pid}) does not end`)
}

/** False when there is no such process any more. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false
    throw error
  }
}
