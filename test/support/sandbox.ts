import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { type SandboxDescription, startSandbox } from '../../src/adapters/sandbox/sandbox.js'
import { generateSshKey } from '../../src/adapters/ssh/keys.js'
import { createSsh } from '../../src/adapters/ssh/ssh.js'
import type { ExecResult, SshHost } from '../../src/ports/ssh.js'
import { renderCloudInit } from '../../src/render/cloud-init.js'
import { until } from './wait.js'

/** A client of a running sandbox, for tests. */
export interface SandboxClient {
  url: string
  describe(): Promise<SandboxDescription>
  /** Asks the Hetzner Cloud API and returns what it answers, of whatever status. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  hcloud(method: string, path: string, body?: unknown): Promise<any>
  /** Orders a machine with a pinned host key and waits until its action has ended. Throws when it failed. */
  raise(name: string, image?: string): Promise<{ id: number; host: SshHost }>
  /** Waits for the end of an action. Throws when it failed. */
  finished(action: { id: number }): Promise<void>
  /** Runs a command of a shell on a machine. */
  shell(host: SshHost, command: string): Promise<ExecResult>
  fault(fault: object): Promise<Response>
  clearFaults(): Promise<Response>
  machines(): Promise<{ id: number; name: string; address: string; state: string; pid: number | null }[]>
  events(kind?: string): Promise<{ kind: string; subject: string }[]>
  disconnect(): Promise<void>
}

const json = { 'content-type': 'application/json' }

/** Talks to the sandbox at `url`. Call `disconnect` at the end. */
export function sandboxClient(url: string): SandboxClient {
  const own = generateSshKey('test')
  const ssh = createSsh({ identity: async () => own.privateKey })
  const never = new AbortController().signal
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const get = async (path: string): Promise<any> => (await fetch(`${url}/_sandbox${path}`)).json()
  const client: SandboxClient = {
    url,
    describe: () => get(''),
    async hcloud(method, path, body) {
      const { settings } = await client.describe()
      const response = await fetch(`${settings.HCLOUD_ENDPOINT}${path}`, {
        method,
        headers: { ...json, authorization: `Bearer ${settings.HCLOUD_TOKEN}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return response.status === 204 ? null : response.json()
    },
    async raise(name, image = 'debian-12') {
      const hostKey = generateSshKey('')
      const user_data = renderCloudInit({
        hostname: name,
        hostKeyPrivate: hostKey.privateKey,
        hostKeyPublic: hostKey.publicKey,
        authorizedKeys: [own.publicKey],
      })
      const { server, action, error } = await client.hcloud('POST', '/servers', {
        ...{ name, image, user_data, server_type: 'cx22' },
      })
      if (error) throw new Error(`${error.code}: ${error.message}`)
      await client.finished(action)
      const address = server.public_net.ipv4.ip
      return { id: server.id, host: { address, port: 22, user: 'root', hostKey: hostKey.publicKey } }
    },
    async finished({ id }) {
      const ended = await until(async () => {
        const { action } = await client.hcloud('GET', `/actions/${id}`)
        return action.status === 'running' ? null : action
      })
      if (ended.status !== 'success') throw new Error(`${ended.command}: ${ended.error.message}`)
    },
    shell: (host, command) => ssh.exec(host, ['sh', '-c', command], { timeout: 20_000 }, never),
    fault: fault =>
      fetch(`${url}/_sandbox/faults`, { method: 'POST', headers: json, body: JSON.stringify(fault) }),
    clearFaults: () => fetch(`${url}/_sandbox/faults`, { method: 'DELETE' }),
    machines: async () => (await get('/machines')).machines,
    events: async kind => (await get(`/events${kind ? `?kind=${kind}` : ''}`)).events,
    disconnect: () => ssh.close(),
  }
  return client
}

/** A sandbox of this process in a directory of its own; `close` leaves nothing behind. */
export async function startTestSandbox(): Promise<
  SandboxClient & { directory: string; close(): Promise<void> }
> {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-sandbox-'))
  const sandbox = await startSandbox({ port: 0, dataDir: directory, log: pino({ level: 'silent' }) })
  const client = sandboxClient(sandbox.url)
  const close = async () => {
    await client.disconnect()
    await sandbox.close()
    rmSync(directory, { recursive: true, force: true })
  }
  return { ...client, directory, close }
}
