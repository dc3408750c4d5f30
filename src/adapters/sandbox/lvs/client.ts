import { once } from 'node:events'
import { CLIENT } from './addresses.js'
import { lvsAsset } from './assets.js'
import type { Stage } from './stage.js'

const NAME = 'client'
const SECONDS = 5

/** One request of a client. */
export interface Answer {
  /** When it began and ended, milliseconds since 1970. */
  began: number
  at: number
  /** The whole answer came, with status 200. */
  ok: boolean
  /** How curl ended: 0, also with another status; 7 refused, 28 out of time, 52 and 56 cut off. */
  code: number
  /** Which host answered, and the address that it was asked from; empty when nobody answered. */
  host: string
  from: string
}

/** Requests that go on until `stop`, which waits for those under way and gives all in the order of their ends. */
export interface Load {
  /** Those that have ended. */
  readonly answers: readonly Answer[]
  stop(): Promise<readonly Answer[]>
}

/** A client beyond the router. Every request is a connection of its own. */
export class Client {
  private constructor(private readonly stage: Stage) {}

  /** Cables it. */
  static async make(stage: Stage): Promise<Client> {
    const { address, gateway, prefix } = CLIENT
    await stage.batch([
      `netns add ${NAME}`,
      `link add ${NAME} type veth peer name eth0 netns ${NAME}`,
      `address add ${gateway}/${prefix} dev ${NAME}`,
      `link set ${NAME} up`,
    ])
    const own = ['link set lo up', `address add ${address}/${prefix} dev eth0`, 'link set eth0 up']
    await stage.batch([...own, `route add default via ${gateway}`], NAME)
    return new Client(stage)
  }

  /** The command that asks once, as one would type it at the client. */
  command(url: string): string[] {
    return ['curl', '-sS', '--fail', '-k', '--max-time', String(SECONDS), url]
  }

  /** Asks once and returns the name of the host that answered. Throws when there is no answer of status 200. */
  async get(url: string): Promise<string> {
    return (await this.stage.run(this.command(url), NAME)).trim()
  }

  /** Runs a command at the client and returns what it printed. Throws when it fails. */
  run(argv: readonly string[]): Promise<string> {
    return this.stage.run(argv, NAME)
  }

  /** Asks again and again: so many at once, each with so many seconds between two requests, and for one. */
  load(url: string, { atOnce = 2, pause = 0.05, patience = 20 } = {}): Load {
    const settings = [atOnce, pause, patience].map(String)
    const child = this.stage.spawn(['bash', lvsAsset('load.sh'), url, ...settings], NAME)
    const ended = once(child, 'close')
    const answers: Answer[] = []
    let rest = ''
    child.stdout?.on('data', chunk => {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      answers.push(...lines.map(toAnswer))
    })
    return {
      answers,
      async stop() {
        child.stdin?.end()
        await ended
        return answers
      },
    }
  }
}

function toAnswer(line: string): Answer {
  const [began, at, code, status, host = '', from = ''] = line.split(' ')
  const ok = code === '0' && status === '200'
  return { began: Number(began), at: Number(at), ok, code: Number(code), host, from }
}
