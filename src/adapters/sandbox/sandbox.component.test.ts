import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memoryVault } from '../../../test/support/memory-vault.js'
import { entryOf } from '../../../test/support/program.js'
import { type SandboxClient, sandboxClient, startTestSandbox } from '../../../test/support/sandbox.js'
import { until } from '../../../test/support/wait.js'
import { newPrivateKey } from '../../ports/certificates.conformance.js'
import { createAcme } from '../acme/certificates.js'
import { createCloudflareDns } from '../cloudflare/dns.js'
import { cleanSandbox } from './sandbox.js'

/** What of a sandbox in `directory` there is on this host: processes, mounts, and bridges. */
function traces(directory: string): string[] {
  const processes = readdirSync('/proc')
    .filter(pid => /^\d+$/.test(pid))
    .map(pid => read(`/proc/${pid}/cmdline`) + read(`/proc/${pid}/environ`))
    .filter(text => text.includes(directory))
  const mounts = read('/proc/self/mounts')
    .split('\n')
    .filter(line => line.includes(directory))
  const bridges = readdirSync('/sys/class/net').filter(name =>
    read(`/sys/class/net/${name}/ifalias`).includes(directory),
  )
  return [...processes, ...mounts, ...bridges]
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

describe('as a process of its own', () => {
  let directory: string
  const children: ChildProcess[] = []
  const clients: SandboxClient[] = []
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lazarus-sandbox-'))
  })
  afterEach(async () => {
    for (const client of clients.splice(0)) await client.disconnect()
    for (const child of children.splice(0)) await end(child, 'SIGTERM')
    await cleanSandbox(directory)
    rmSync(directory, { recursive: true, force: true })
  })

  function launch(as: string[] = []): {
    child: ChildProcess
    firstLine: Promise<string>
    errors: () => string
  } {
    const node = [process.execPath, entryOf('src/main/sandbox.ts'), '--port', '0', '--data', directory]
    const [program = '', ...args] = [...as, ...node]
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let errors = ''
    child.stderr.on('data', chunk => {
      errors += chunk
    })
    const lines = createInterface({ input: child.stdout })
    const firstLine = Promise.race([
      once(lines, 'line').then(([line]) => String(line)),
      once(child, 'exit').then(() => ''),
    ])
    return { child, firstLine, errors: () => errors }
  }

  async function start() {
    const { child, firstLine, errors } = launch()
    const line = await firstLine
    if (line === '') throw new Error(errors())
    const client = sandboxClient(JSON.parse(line).sandbox)
    clients.push(client)
    return { child, client }
  }

  async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }

  test('killed and started again: machines run again with address, keys and disk', async () => {
    const first = await start()
    const machine = await first.client.raise('edge-1')
    const off = await first.client.raise('edge-2')
    const stopped = await first.client.hcloud('POST', `/servers/${off.id}/actions/poweroff`)
    await first.client.finished(stopped.action)
    await first.client.shell(machine.host, 'echo kept >/opt/kept')
    const before = await first.client.describe()
    await end(first.child, 'SIGKILL')

    const second = await start()
    expect((await second.client.machines()).map(({ name, state }) => `${name} ${state}`)).toEqual([
      'edge-1 running',
      'edge-2 off',
    ])
    // The client of the first one still has the key that the machine knows.
    expect((await first.client.shell(machine.host, 'cat /opt/kept')).stdout).toBe('kept\n')
    const after = await second.client.describe()
    expect(after.subnet).toBe(before.subnet)
    expect(after.dns).toEqual(before.dns)
    expect(after.acme.directoryUrl).toBe(before.acme.directoryUrl)
    expect(after.settings.HCLOUD_TOKEN).toBe(before.settings.HCLOUD_TOKEN)
    expect(await second.client.events('server.created')).toHaveLength(2)
  })

  test('killed in the middle of a first boot: the machine comes up whole', async () => {
    const first = await start()
    await first.client.hcloud('POST', '/servers', { name: 'edge-1', server_type: 'cx22', image: 'debian-12' })
    await until(() => readdirSync(join(directory, 'machines')).length > 0)
    await end(first.child, 'SIGKILL')
    const [id] = readdirSync(join(directory, 'machines'))
    // As a crash leaves it that came between the making of the disk and the end of its first boot.
    rmSync(join(directory, 'machines', id ?? '', 'user-data-applied'), { force: true })
    rmSync(join(directory, 'machines', id ?? '', 'root/etc/ssh'), { recursive: true, force: true })
    const second = await start()
    expect(await second.client.machines()).toMatchObject([{ name: 'edge-1', state: 'running' }])
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s takes everything down and keeps the state', async signal => {
    const { child, client } = await start()
    await client.raise('edge-1')
    expect(traces(directory).length).toBeGreaterThan(3)
    await end(child, signal)
    expect(child.exitCode).toBe(0)
    expect(traces(directory)).toEqual([])
    expect(existsSync(join(directory, 'sandbox.json'))).toBe(false)
    expect(JSON.parse(read(join(directory, 'state.json'))).servers).toMatchObject([{ status: 'running' }])
  })

  test('what a killed one leaves can be cleared away without starting', async () => {
    const { child, client } = await start()
    await client.raise('edge-1')
    await end(child, 'SIGKILL')
    await cleanSandbox(directory)
    expect(traces(directory)).toEqual([])
  })

  test('a second one in the same directory is refused, with the number of the first', async () => {
    const { child } = await start()
    const second = launch()
    await once(second.child, 'exit')
    expect(second.child.exitCode).toBe(1)
    expect(second.errors()).toContain(`already runs in ${directory} (pid ${child.pid})`)
    await expect(cleanSandbox(directory)).rejects.toThrow('already runs')
  })

  test('without root it says so and does nothing', async () => {
    // Nobody in a user namespace of its own: without rights, and yet able to read a checkout that is root's alone.
    const { child, errors } = launch(['unshare', '--user'])
    await once(child, 'exit')
    expect(child.exitCode).toBe(1)
    expect(errors()).toMatch(/^the sandbox needs root.*sudo\n$/)
    expect(readdirSync(directory)).toEqual([])
  })
})

describe('in this process', () => {
  test('two at once do not see each other', async () => {
    const [one, two] = await Promise.all([startTestSandbox(), startTestSandbox()])
    try {
      const [a, b] = await Promise.all([one.raise('edge-1'), two.raise('edge-1')])
      expect((await one.describe()).subnet).not.toBe((await two.describe()).subnet)
      expect((await one.shell(a.host, `ip route get ${b.host.address}`)).code).not.toBe(0)
    } finally {
      await Promise.all([one.close(), two.close()])
    }
    expect([...traces(one.directory), ...traces(two.directory)]).toEqual([])
  })

  test('a certificate is issued through the DNS API, and the issuer has its bad days', async () => {
    const sandbox = await startTestSandbox()
    try {
      const { settings, acme, zone } = await sandbox.describe()
      const dns = createCloudflareDns({
        owner: 'lazarus',
        token: settings.CLOUDFLARE_API_TOKEN ?? '',
        baseUrl: settings.CLOUDFLARE_BASE_URL ?? '',
      })
      const certificates = createAcme({
        directoryUrl: settings.ACME_DIRECTORY_URL ?? '',
        caFile: settings.ACME_CA_FILE,
        dns,
        vault: memoryVault(),
      })
      const names = ['edge-1.edge.lazarus.test']
      const csr = await certificates.signingRequest(names, newPrivateKey())
      const order = { names, zone, csr, orderUrl: null, onOrder: async () => undefined }
      const never = new AbortController().signal
      await sandbox.fault({ kind: 'rate-limit', path: '/acme/order-plz', retryAfter: 9, times: 5 })
      await expect(certificates.issue(order, never)).rejects.toMatchObject({ code: 'rateLimited' })
      await sandbox.clearFaults()
      await sandbox.fault({ kind: 'answer-lost', path: '/acme/order-plz' })
      await expect(certificates.issue(order, never)).rejects.toMatchObject({ retryable: true })
      const { chain } = await certificates.issue(order, never)
      const { X509Certificate } = await import('node:crypto')
      expect(new X509Certificate(chain).checkHost('edge-1.edge.lazarus.test')).toBeDefined()
      expect(acme.root).toContain('BEGIN CERTIFICATE')
    } finally {
      await sandbox.close()
    }
  })

  test('twenty machines come up in little more time than one needs', async () => {
    const sandbox = await startTestSandbox()
    try {
      const begun = performance.now()
      await Promise.all(Array.from({ length: 20 }, (_, i) => sandbox.raise(`edge-${i}`)))
      // Half a second on a quiet machine with two cores; the limit leaves room for a busy one.
      expect(performance.now() - begun).toBeLessThan(10_000)
    } finally {
      await sandbox.close()
    }
  })
})
