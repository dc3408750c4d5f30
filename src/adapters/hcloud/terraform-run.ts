import { spawn } from 'node:child_process'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

export interface TerraformRun {
  command: string
  args: readonly string[]
  /** Working directory; the output is kept there while it runs. */
  cwd: string
  env: Record<string, string>
}

/** Milliseconds that Terraform has to end by itself once it was asked to. */
const GRACE = 10_000

/**
 * Runs Terraform and hands out its lines as they come. Resolves to its exit code and standard error. When `signal`
 * aborts, Terraform is asked to stop (it then keeps its state and frees its lock) and is killed after a grace;
 * rejects with the signal's reason.
 */
export async function runTerraform(
  { command, args, cwd, env }: TerraformRun,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<{ code: number | null; stderr: string }> {
  signal.throwIfAborted()
  // Files, not pipes: should this process die, a pipe would kill Terraform in mid-apply with its state unsaved.
  const [out, err] = await Promise.all([open(join(cwd, 'out.jsonl'), 'w+'), open(join(cwd, 'err.txt'), 'w+')])
  try {
    // A group of its own: Ctrl-C in a terminal reaches us, and we stop it in order.
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', out.fd, err.fd] })
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    const release = stopOn(signal, child.pid)
    const code = await follow(out, onLine, ended).finally(release)
    signal.throwIfAborted()
    return { code, stderr: await readFile(join(cwd, 'err.txt'), 'utf8') }
  } finally {
    await Promise.all([out.close(), err.close()])
  }
}

/** Hands out complete lines of a growing file until `ended`, and resolves to what that resolves to. */
async function follow<T>(file: FileHandle, onLine: (line: string) => void, ended: Promise<T>): Promise<T> {
  const chunk = Buffer.alloc(64 * 1024)
  let position = 0
  let rest = Buffer.alloc(0)
  const drain = async () => {
    for (let read = 1; read > 0; position += read) {
      read = (await file.read(chunk, 0, chunk.length, position)).bytesRead
      rest = Buffer.concat([rest, chunk.subarray(0, read)])
    }
    const end = rest.lastIndexOf('\n') + 1
    if (end === 0) return
    for (const line of rest.toString('utf8', 0, end - 1).split('\n')) onLine(line)
    rest = rest.subarray(end)
  }
  const done = ended.then(
    value => ({ value }),
    error => ({ error }),
  )
  for (;;) {
    const result = await Promise.race([done, pause()])
    await drain()
    if (!result) continue
    if ('error' in result) throw result.error
    return result.value
  }
}

const pause = () => wait(150, undefined)

/** Interrupts the process when the signal aborts and kills its group after a grace. Returns the way to stop caring. */
function stopOn(signal: AbortSignal, pid: number | undefined): () => void {
  if (pid === undefined) return () => undefined
  let last: NodeJS.Timeout | undefined
  const interrupt = () => {
    send(pid, 'SIGINT')
    last = setTimeout(() => send(-pid, 'SIGKILL'), GRACE)
  }
  signal.addEventListener('abort', interrupt, { once: true })
  return () => {
    signal.removeEventListener('abort', interrupt)
    clearTimeout(last)
  }
}

function send(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it has just ended
  }
}
