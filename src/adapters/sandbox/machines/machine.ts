import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { kill } from '../processes.js'
import { programEnvironment } from '../run.js'
import { assetFile } from './base.js'

const BOOT_MS = 20_000

/** Arguments of a machine's first process; see `assets/boot.sh`. */
export interface BootArguments {
  directory: string
  bridge: string
  link: string
  mac: string
  /** With prefix length. */
  ipv4: string
  ipv6: string | null
  hostname: string
  ssh: boolean
  failInstalls: number
}

/** A machine that runs: a tree of processes in namespaces of their own, which end together. */
export class Machine {
  /** The first process, as the host sees it. */
  pid: number | null = null
  private up = false
  private readonly ended: Promise<void>
  private errors = ''

  private constructor(private readonly child: ChildProcess) {
    this.ended = once(child, 'close').then(
      () => undefined,
      error => {
        this.errors += String(error)
      },
    )
    child.stderr?.on('data', chunk => {
      this.errors = `${this.errors}${chunk}`.slice(-2000)
    })
    // A machine that ends closes the pipe under our next order; its end is told through `whenEnded`.
    child.stdin?.on('error', () => child.stdin?.destroy())
  }

  /** Starts it. Ends with us, however we end: the kernel sees to that. */
  static start(boot: BootArguments): Machine {
    const child = spawn('setpriv', [...NAMESPACES, 'bash', assetFile('boot.sh'), ...bootWords(boot)], {
      cwd: boot.directory,
      env: programEnvironment({ LAZARUS_MACHINE: boot.directory }),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    return new Machine(child)
  }

  /** Returns when the machine has its network and its root. Throws with what it said when it ends instead. */
  async whenUp(): Promise<void> {
    if (!this.child.stdout) throw new Error('the machine has no output')
    const lines = createInterface({ input: this.child.stdout })
    const failed = this.ended.then(() => {
      throw new Error(`the machine did not come up: ${this.errors.trim() || 'it was ended'}`)
    })
    const came = new Promise<void>(resolve => {
      lines.on('line', line => {
        if (line.startsWith('pid ')) this.pid = Number(line.slice(4))
        if (line === 'up') resolve()
      })
    })
    await Promise.race([came, failed])
    failed.catch(() => undefined)
    this.up = true
  }

  /** Returns when a server at `address` port 22 says that it is one for SSH. */
  async whenSshAnswers(address: string): Promise<void> {
    const deadline = Date.now() + BOOT_MS
    while (this.isRunning) {
      if (await saysSsh(address)) return
      if (Date.now() > deadline)
        throw new Error(`sshd at ${address} did not answer within ${BOOT_MS / 1000} s`)
      await pause(10)
    }
    throw new Error(`the machine ended: ${this.errors.trim()}`)
  }

  /** Resolves when every process of the machine is gone. */
  get whenEnded(): Promise<void> {
    return this.ended
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null
  }

  /** Gives an order to the first process. */
  order(words: string): void {
    if (this.up && this.isRunning) this.child.stdin?.write(`${words}\n`)
  }

  /** Ends every process at once and returns when none is left. */
  async kill(): Promise<void> {
    if (this.isRunning) {
      // Its first process takes all others along, and its parent ends only once they are gone.
      if (this.pid !== null) kill(this.pid)
      else this.child.kill('SIGKILL')
    }
    await this.ended
  }
}

const NAMESPACES = '--pdeathsig KILL unshare --mount --net --pid --uts --ipc --fork --kill-child'.split(' ')

const bootWords = (boot: BootArguments): string[] => [
  String(process.pid),
  boot.bridge,
  boot.link,
  boot.mac,
  boot.ipv4,
  boot.ipv6 ?? '-',
  boot.hostname,
  boot.ssh ? 'ssh-on' : 'ssh-off',
  String(boot.failInstalls),
]

/** Whether a server at port 22 says that it is one for SSH. */
export function saysSsh(host: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port: 22, timeout: 1000 })
    const answer = (yes: boolean) => {
      socket.destroy()
      resolve(yes)
    }
    socket.once('data', banner => answer(banner.toString('latin1').startsWith('SSH-2.0')))
    socket.once('error', () => answer(false))
    socket.once('timeout', () => answer(false))
    socket.once('end', () => answer(false))
  })
}
