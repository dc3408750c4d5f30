import type { Argv } from '../commands/compose.js'
import type { JobContext } from '../core/define-job.js'
import { PortError } from '../core/errors.js'
import type { SshHost } from '../ports/ssh.js'

const MINUTE = 60_000
const TAIL = 600

/**
 * Runs one command after the other on a machine. The first that exits non-zero ends it with the retryable
 * `remote-command-failed`, which shows the end of what it said. Commands must not hold secrets.
 */
export async function runAll(
  { ports, signal }: Pick<JobContext<unknown, 'ssh'>, 'ports' | 'signal'>,
  host: SshHost,
  commands: readonly Argv[],
  timeout = MINUTE,
): Promise<void> {
  for (const argv of commands) {
    const { code, stdout, stderr } = await ports.ssh.exec(host, argv, { timeout }, signal)
    if (code === 0) continue
    const said = (stderr.trim() || stdout.trim()).slice(-TAIL)
    throw new PortError('remote-command-failed', `${argv.join(' ')} exited with ${code}: ${said}`, {
      retryable: true,
    })
  }
}

/** Whether a command exits with 0. */
export async function succeeds(
  { ports, signal }: Pick<JobContext<unknown, 'ssh'>, 'ports' | 'signal'>,
  host: SshHost,
  argv: Argv,
): Promise<boolean> {
  return (await ports.ssh.exec(host, argv, { timeout: MINUTE }, signal)).code === 0
}
