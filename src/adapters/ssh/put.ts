import { randomBytes } from 'node:crypto'
import { posix } from 'node:path'
import type { SFTPWrapper } from 'ssh2'
import { z } from 'zod'
import { PortError } from '../../core/errors.js'
import type { RemoteFile } from '../../ports/ssh.js'
import type { Connection } from './connect.js'
import { sshError } from './errors.js'
import { exec } from './exec.js'

const MKDIR_TIMEOUT = 30_000
const SFTP_PERMISSION_DENIED = 3

const filesSchema = z.array(
  z.object({
    path: z
      .string()
      .startsWith('/')
      .refine(path => posix.normalize(path) === path && !path.endsWith('/') && !path.includes('\0')),
    mode: z.number().int().min(0).max(0o777),
    content: z.string(),
  }),
)

/**
 * Writes every file aside, then renames all of them into place in the order given: when one cannot be written, none
 * is replaced. Throws `PortError`.
 */
export async function put(
  { ssh, client }: Connection,
  files: readonly RemoteFile[],
  signal: AbortSignal,
): Promise<void> {
  checkFiles(files)
  if (files.length === 0) return
  const directories = [...new Set(files.map(file => posix.dirname(file.path)))]
  const made = await exec(client, ['mkdir', '-p', '--', ...directories], { timeout: MKDIR_TIMEOUT }, signal)
  if (made.code !== 0) throw new PortError('mkdir-failed', made.stderr.trim(), { retryable: true })
  try {
    await ssh.withSFTP(sftp => abortable(sftp, signal, () => replaceAll(sftp, files)))
  } catch (error) {
    signal.throwIfAborted()
    throw uploadError(error)
  }
}

function uploadError(error: unknown): PortError {
  if ((error as { code?: unknown }).code !== SFTP_PERMISSION_DENIED) return sshError(error, 'upload-failed')
  const message = 'the user we log in as may not write there'
  return new PortError('permission-denied', message, { retryable: false, cause: error })
}

function checkFiles(files: readonly RemoteFile[]): void {
  const parsed = filesSchema.safeParse(files)
  if (parsed.success) return
  const where = parsed.error.issues.map(issue => issue.path.join('.')).join(', ')
  throw new PortError('bad-file', `not an absolute, plain path or not a mode: ${where}`, { retryable: false })
}

/** Ends the SFTP session on abort, which fails whatever it was doing. */
async function abortable(sftp: SFTPWrapper, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  const stop = () => sftp.end()
  signal.throwIfAborted()
  signal.addEventListener('abort', stop, { once: true })
  let failure: Error | undefined
  sftp.on('error', (error: Error) => {
    failure = error
  })
  try {
    await work()
    if (failure) throw failure
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function replaceAll(sftp: SFTPWrapper, files: readonly RemoteFile[]): Promise<void> {
  const suffix = `.${randomBytes(6).toString('hex')}.new`
  try {
    await Promise.all(files.map(file => writeAside(sftp, file, file.path + suffix)))
    for (const { path } of files)
      await done(callback => sftp.ext_openssh_rename(path + suffix, path, callback))
  } catch (error) {
    // What was renamed is gone from its place aside, and a lost connection answers nothing: both are fine.
    await Promise.allSettled(files.map(({ path }) => done(callback => sftp.unlink(path + suffix, callback))))
    throw error
  }
}

async function writeAside(sftp: SFTPWrapper, file: RemoteFile, aside: string): Promise<void> {
  const content = Buffer.from(file.content)
  const handle = await new Promise<Buffer>((resolve, reject) => {
    sftp.open(aside, 'wx', { mode: file.mode }, (error, opened) => (error ? reject(error) : resolve(opened)))
  })
  // The mode given on opening is cut by the far end's umask.
  await done(callback => sftp.fchmod(handle, file.mode, callback))
  if (content.length > 0) await done(callback => sftp.write(handle, content, 0, content.length, 0, callback))
  await done(callback => sftp.close(handle, callback))
}

function done(call: (callback: (error?: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => call(error => (error ? reject(error) : resolve())))
}
