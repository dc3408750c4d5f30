import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { kill } from '../processes.js'
import { programEnvironment, run } from '../run.js'
import { lvsAsset } from './assets.js'

/** The namespaces of a world of balancers: its network is the router's. They end with this process, however it ends. */
export class Stage {
  private constructor(
    private readonly child: ChildProcess,
    private readonly pid: number,
    private readonly environment: Record<string, string>,
    private readonly ended: Promise<unknown>,
  ) {}

  /** Makes them. `directory` is in the environment of every process in them. Throws with what was said when it fails. */
  static async open(directory: string): Promise<Stage> {
    const environment = { LAZARUS_MACHINE: directory }
    const child = spawn('setpriv', [...NAMESPACES, 'bash', lvsAsset('stage.sh')], {
      cwd: directory,
      env: programEnvironment(environment),
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const ended = once(child, 'close').catch(String)
    child.stdin.on('error', () => child.stdin.destroy())
    const pid = await pidOf(child, ended, 'the namespaces of the world')
    return new Stage(child, pid, environment, ended)
  }

  /** The command that runs `argv` in here: in the network of the router, or in that of another part by its name. */
  command(argv: readonly string[], part?: string): string[] {
    const place = part === undefined ? [] : ['ip', 'netns', 'exec', part]
    return ['nsenter', '-t', String(this.pid), '-m', '-n', '-p', '--', ...place, ...argv]
  }

  /** Runs `argv` in here and returns what it printed. Throws when it fails. */
  run(argv: readonly string[], part?: string, input?: string): Promise<string> {
    const [program = '', ...rest] = this.command(argv, part)
    return run(program, rest, input)
  }

  /** Runs lines of `ip` in here, in this order. Throws at the first that fails. */
  async batch(lines: readonly string[], part?: string): Promise<void> {
    await this.run(['ip', '-batch', '-'], part, `${lines.join('\n')}\n`)
  }

  /** Starts `argv` in here. */
  spawn(argv: readonly string[], part?: string): ChildProcess {
    const [program = '', ...rest] = this.command(argv, part)
    const options = { env: programEnvironment(this.environment), stdio: 'pipe' as const }
    // Routing and health checks keep time: on a machine with other work a second without CPU looks like a dead peer.
    const prompt = ['nice', '-n', '-10', program, ...rest]
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...prompt], options)
  }

  /** Puts one end of a new link into the router's network, the other on a bridge of this machine. */
  async plug(link: string, bridge: string, inner: string): Promise<void> {
    const far = ['peer', 'name', inner, 'netns', String(this.pid)]
    await run('ip', ['link', 'add', link, 'up', 'master', bridge, 'type', 'veth', ...far])
  }

  /** Ends all that runs in here; returns when nothing is left. */
  async close(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) kill(this.pid)
    await this.ended
  }
}

const NAMESPACES = '--pdeathsig KILL unshare --mount --net --pid --fork --kill-child'.split(' ')

/** Waits until a process of ours says `pid <number>`. Throws with its words when it ends instead. */
export async function pidOf(child: ChildProcess, ended: Promise<unknown>, what: string): Promise<number> {
  const words = lastWords(child)
  if (!child.stdout) throw new Error(`${what} has no output`)
  const lines = createInterface({ input: child.stdout })
  const came = new Promise<number>(resolve => {
    lines.on('line', line => {
      if (line.startsWith('pid ')) resolve(Number(line.slice(4)))
    })
  })
  const failed = ended.then(() => {
    throw new Error(`${what} did not come up: ${words()}`)
  })
  failed.catch(() => undefined)
  return Promise.race([came, failed])
}

/** What a process said last, for the error that tells of its end. */
export function lastWords(child: ChildProcess): () => string {
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', chunk => {
      said = `${said}${chunk}`.slice(-2000)
    })
  return () => said.trim() || 'it said nothing'
}
