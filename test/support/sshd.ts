import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { generateSshKey } from '../../src/adapters/ssh/keys.js'
import { type SshHost, sshHostSchema } from '../../src/ports/ssh.js'
import { freePort } from './ports.js'
import { until } from './wait.js'

export interface Sshd {
  host: SshHost
  /** The private key that it lets in. */
  identity: string
  pid: number
  stop(): Promise<void>
}

/** A real sshd on a free port of 127.0.0.1 that lets one key in; `within`: a program that starts it and becomes it. */
export async function startSshd({
  within = [],
  user = generateSshKey('test'),
}: {
  within?: readonly string[]
  user?: ReturnType<typeof generateSshKey>
} = {}): Promise<Sshd> {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-sshd-'))
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text, { mode: 0o600 })
  const hostKey = generateSshKey('')
  const port = await freePort()
  write('host_key', hostKey.privateKey)
  write('authorized_keys', `${user.publicKey}\n`)
  write('sshd_config', config(directory, port))
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
  const [program = '', ...args] = [...within, '/usr/sbin/sshd', '-D', '-e', '-f', `${directory}/sshd_config`]
  const child = spawn(program, args, { stdio: 'ignore' })
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    await until(() => answers(port), { what: 'sshd to listen' })
  } catch (error) {
    await stop()
    throw error
  }
  const host = sshHostSchema.parse({
    address: '127.0.0.1',
    port,
    user: userInfo().username,
    hostKey: hostKey.publicKey,
  })
  return { host, identity: user.privateKey, pid: child.pid ?? 0, stop }
}

const config = (directory: string, port: number) => `
Port ${port}
ListenAddress 127.0.0.1
HostKey ${directory}/host_key
PidFile none
AuthorizedKeysFile ${directory}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
Subsystem sftp internal-sftp
`

/** Whether an SSH banner comes; a bare connection would also succeed against a stranger on that port. */
async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    const [banner] = await once(socket, 'data')
    return String(banner).startsWith('SSH-')
  } finally {
    socket.destroy()
  }
}
