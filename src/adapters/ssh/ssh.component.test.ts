import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../../test/support/ports.js'
import { type Sshd, startSshd } from '../../../test/support/sshd.js'
import { startTcpProxy } from '../../../test/support/tcp-proxy.js'
import { tempDir } from '../../../test/support/temp.js'
import { until } from '../../../test/support/wait.js'
import { sshConformance } from '../../ports/ssh.conformance.js'
import { OUTPUT_LIMIT } from './exec.js'
import { generateSshKey } from './keys.js'
import { createSsh } from './ssh.js'

sshConformance('ssh2 against sshd', async () => {
  const sshd = await startSshd()
  const ssh = createSsh({ identity: async () => sshd.identity })
  const done = async () => {
    await ssh.close()
    await sshd.stop()
  }
  return { ssh, host: sshd.host, directory: tempDir(), done }
})

describe('ssh on a bad day', () => {
  const never = new AbortController().signal
  const options = { timeout: 10_000 }
  let sshd: Sshd
  beforeAll(async () => {
    sshd = await startSshd()
  })
  afterAll(() => sshd?.stop())

  /** A port that reaches sshd through a proxy; both end with the test. */
  async function through(identity = sshd.identity) {
    const proxy = await startTcpProxy(sshd.host.port)
    const ssh = createSsh({ identity: async () => identity })
    onTestFinished(async () => {
      await ssh.close()
      await proxy.close()
    })
    return { proxy, ssh, host: { ...sshd.host, port: proxy.port } }
  }

  test('a connection cut in mid-command is a retryable error, and the next command works', async () => {
    const { proxy, ssh, host } = await through()
    await ssh.exec(host, ['true'], options, never)
    const cut = expect(ssh.exec(host, ['sleep', '5'], options, never)).rejects.toMatchObject({
      code: 'connection-lost',
      retryable: true,
    })
    await until(async () => (await ssh.exec(host, ['pgrep', '-fx', 'sleep 5'], options, never)).code === 0)
    proxy.cut()
    await cut
    expect((await ssh.exec(host, ['echo', 'again'], options, never)).stdout).toBe('again\n')
    expect(proxy.connections()).toBe(2)
  })

  test('a connection cut in mid-upload leaves the old file', async () => {
    const { proxy, ssh, host } = await through()
    const path = `${tempDir()}/file`
    await ssh.put(host, [{ path, content: 'old', mode: 0o600 }], never)
    const big = { path, content: 'x'.repeat(8_000_000), mode: 0o600 }
    const cut = expect(ssh.put(host, [big], never)).rejects.toMatchObject({
      name: 'PortError',
      retryable: true,
    })
    setTimeout(() => proxy.cut(), 30)
    await cut
    expect((await ssh.exec(host, ['cat', path], options, never)).stdout).toBe('old')
  })

  test('a machine that dies without a word is noticed', async () => {
    const { proxy, ssh, host } = await through()
    await ssh.exec(host, ['true'], options, never)
    proxy.silence()
    await expect(ssh.exec(host, ['true'], { timeout: 60_000 }, never)).rejects.toMatchObject({
      code: 'connection-lost',
      retryable: true,
    })
  }, 30_000)

  test('a refused connection is retryable', async () => {
    const ssh = createSsh({ identity: async () => sshd.identity })
    const refused = ssh.exec({ ...sshd.host, port: await freePort() }, ['true'], options, never)
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED', retryable: true })
  })

  test('a key that is not let in is retryable: a machine that boots says the same', async () => {
    const { ssh, host } = await through(generateSshKey('stranger').privateKey)
    await expect(ssh.exec(host, ['true'], options, never)).rejects.toMatchObject({
      code: 'authentication-failed',
      retryable: true,
    })
  })

  test('an identity that cannot be read is never retried and never shown', async () => {
    const { ssh, host } = await through(
      '-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2\n-----END OPENSSH PRIVATE KEY-----',
    )
    const failed = await ssh.exec(host, ['true'], options, never).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'bad-identity', retryable: false })
    expect(JSON.stringify(failed) + String(failed)).not.toContain('hunter2')
  })

  test('a host that accepts and says nothing: abort ends the wait at once', async () => {
    const mute = createServer().listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const ssh = createSsh({ identity: async () => sshd.identity })
    onTestFinished(async () => {
      await ssh.close()
      mute.close()
    })
    const { port } = mute.address() as { port: number }
    const signals = [AbortSignal.timeout(100), AbortSignal.timeout(100)] as const
    const exec = ssh.exec({ ...sshd.host, port }, ['true'], options, signals[0])
    const hostKey = ssh.hostKey('127.0.0.1', port, signals[1])
    const reasons = await Promise.all([exec, hostKey].map(wait => wait.catch((error: unknown) => error)))
    expect(reasons).toEqual(signals.map(signal => signal.reason))
    expect(reasons).not.toContain(undefined)
  })

  test('a host that closes at once is retryable', async () => {
    const rude = createServer(socket => socket.destroy()).listen(0, '127.0.0.1')
    await once(rude, 'listening')
    onTestFinished(() => void rude.close())
    const { port } = rude.address() as { port: number }
    const ssh = createSsh({ identity: async () => sshd.identity })
    await expect(ssh.exec({ ...sshd.host, port }, ['true'], options, never)).rejects.toMatchObject({
      code: 'connection-lost',
      retryable: true,
    })
    await expect(ssh.hostKey('127.0.0.1', port, never)).rejects.toMatchObject({
      code: 'connection-lost',
      retryable: true,
    })
  })

  test('a host without a key of the pinned kind does not show the pinned key', async () => {
    const { ssh, host } = await through()
    const hostKey = `ecdsa-sha2-nistp256 ${Buffer.from('another').toString('base64')}`
    await expect(ssh.exec({ ...host, hostKey }, ['true'], options, never)).rejects.toMatchObject({
      code: 'host-key-mismatch',
      retryable: false,
    })
  })

  test('an identity that cannot be had says why and is not retried', async () => {
    const ssh = createSsh({ identity: () => Promise.reject(new Error('the vault is shut')) })
    await expect(ssh.exec(sshd.host, ['true'], options, never)).rejects.toMatchObject({
      code: 'bad-identity',
      retryable: false,
      message: expect.stringContaining('the vault is shut'),
    })
  })

  test('huge output is cut, said to be cut, and does not block the command', async () => {
    const { ssh, host } = await through()
    const result = await ssh.exec(
      host,
      ['sh', '-c', 'head -c 20000000 /dev/zero; echo end >&2'],
      options,
      never,
    )
    expect(result.code).toBe(0)
    expect(result.stderr).toBe('end\n')
    expect(result.stdout.length).toBeLessThan(OUTPUT_LIMIT + 100)
    expect(result.stdout).toMatch(/\[cut: only the first 1048576 bytes are kept\]\n$/)
  })

  test('binary output arrives, characters are never split', async () => {
    const { ssh, host } = await through()
    const binary = await ssh.exec(host, ['head', '-c', '100000', '/dev/urandom'], options, never)
    expect(binary.code).toBe(0)
    const text = '世'.repeat(50_000)
    expect((await ssh.exec(host, ['cat'], { ...options, stdin: text }, never)).stdout).toBe(text)
  })

  test('a command that does not read its megabytes of input still answers', async () => {
    const { ssh, host } = await through()
    const result = await ssh.exec(host, ['true'], { ...options, stdin: 'x'.repeat(8_000_000) }, never)
    expect(result.code).toBe(0)
  })

  test('a command killed by a signal has the code a shell would give it', async () => {
    const { ssh, host } = await through()
    expect((await ssh.exec(host, ['sh', '-c', 'kill -9 $$'], options, never)).code).toBe(137)
  })

  test('50 commands at once share one connection, 8 sessions at a time', async () => {
    const { proxy, ssh, host } = await through()
    const all = Array.from({ length: 50 }, (_, index) =>
      ssh.exec(host, ['echo', String(index)], options, never),
    )
    const results = await Promise.all(all)
    expect(results.map(result => result.stdout)).toEqual(results.map((_, index) => `${index}\n`))
    expect(proxy.connections()).toBe(1)
  })

  test('a megabyte is put in one piece', async () => {
    const { ssh, host } = await through()
    const path = `${tempDir()}/big`
    await ssh.put(host, [{ path, content: '0123456789abcdef'.repeat(65_536), mode: 0o600 }], never)
    expect((await ssh.exec(host, ['stat', '-c', '%s', path], options, never)).stdout).toBe('1048576\n')
  })

  test('a path that cannot be made says why', async () => {
    const { ssh, host } = await through()
    const put = ssh.put(host, [{ path: '/dev/null/x', content: '', mode: 0o600 }], never)
    await expect(put).rejects.toMatchObject({
      code: 'mkdir-failed',
      message: expect.stringContaining('/dev/null'),
    })
  })

  test('after close nothing is opened any more', async () => {
    const { ssh, host } = await through()
    const running = expect(ssh.exec(host, ['sleep', '5'], options, never)).rejects.toMatchObject({
      retryable: true,
    })
    await ssh.exec(host, ['true'], options, never)
    await ssh.close()
    await running
    await expect(ssh.exec(host, ['true'], options, never)).rejects.toMatchObject({ code: 'closed' })
  })
})
