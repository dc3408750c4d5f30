import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { childEnvironment } from '../config/env.js'
import { Fatal } from '../core/errors.js'
import { renderV2rayClient, type Way } from '../render/v2ray-client.js'
import { freePort } from './free-port.js'

const START = 10_000

/** A v2ray client as a subscriber has it on a machine of theirs. */
export interface TunnelClient {
  /** Its SOCKS proxy, as curl wants it. */
  proxy: string
  close(): Promise<void>
}

/**
 * Starts a v2ray client for one way through a node. It ends with this process, however that ends. Throws `Fatal`
 * with what it said when it does not come up.
 */
export async function startTunnelClient(
  way: Way,
  trust: { issuers: string; address: string },
  signal: AbortSignal,
): Promise<TunnelClient> {
  const port = await freePort(['127.0.0.1'])
  const argv = ['--pdeathsig', 'KILL', 'v2ray', '-config', 'stdin:']
  const child = spawn('setpriv', argv, { env: childEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close').catch(error => {
    said += String(error)
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', chunk => {
      said = `${said}${chunk}`.slice(-2_000)
    })
  // A client that ends at once closes the pipe under its configuration; its end tells more.
  child.stdin.on('error', () => child.stdin.destroy())
  child.stdin.end(renderV2rayClient(way, { port, ...trust }))
  const close = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
  }
  try {
    const deadline = Date.now() + START
    while (!(await answers(port))) {
      if (child.exitCode !== null || child.pid === undefined || Date.now() > deadline)
        throw new Fatal('client-failed', `v2ray did not come up: ${said.trim()}`)
      await pause(20, undefined, { signal })
    }
    return { proxy: `socks5h://127.0.0.1:${port}`, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    // Not yet: asked again.
    return false
  } finally {
    socket.destroy()
  }
}
