import { z } from 'zod'

/** Where to log in. `hostKey` is the pinned public key (`ssh-ed25519 AAAA...`): any other key is refused. */
export const sshHostSchema = z.object({
  address: z.union([z.ipv4(), z.ipv6()]),
  port: z.number().int().min(1).max(65535).default(22),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .default('root'),
  hostKey: z.string().regex(/^(ssh-ed25519|ecdsa-sha2-nistp256|rsa-sha2-512|ssh-rsa) [A-Za-z0-9+/=]+$/),
})
export type SshHost = z.output<typeof sshHostSchema>

/** `privateKey` is secret; `publicKey` has the form of {@link SshHost.hostKey}, without a comment. */
export interface SshKeyPair {
  privateKey: string
  publicKey: string
}

export interface ExecResult {
  code: number
  stdout: string
  stderr: string
}

export interface RemoteFile {
  path: string
  content: string
  /** Permission bits, such as 0o600. */
  mode: number
}

export interface ExecOptions {
  /** Bounds the command on both ends, milliseconds. */
  timeout: number
  /** Sent to standard input; the place for anything secret. */
  stdin?: string
}

/**
 * Commands and files on other hosts. Commands are argv, never shell text. A lost connection, a refusal and a
 * timeout are retryable `PortError`s; a host key that is not the pinned one is `host-key-mismatch`, not retryable.
 * A command's non-zero exit is a result, not an error.
 */
export interface SshPort {
  exec(host: SshHost, argv: readonly string[], options: ExecOptions, signal: AbortSignal): Promise<ExecResult>
  /** Writes each file aside and renames it into place; makes missing directories. */
  put(host: SshHost, files: readonly RemoteFile[], signal: AbortSignal): Promise<void>
  /** The host key that the other side shows, for the first contact with a machine we did not make. */
  hostKey(address: string, port: number, signal: AbortSignal): Promise<string>
  /** The public half (`ssh-ed25519 AAAA... comment`) of the key that we log in with. */
  authorizedKey(): Promise<string>
  /** A new ed25519 key pair in OpenSSH's formats, for a host that does not exist yet. */
  newHostKey(): SshKeyPair
}
