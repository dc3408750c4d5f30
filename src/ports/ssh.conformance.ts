import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { SshHost, SshPort } from './ssh.js'

/** What a suite needs: a port, a host that lets it in, and an empty directory there. `done` ends all of it. */
export interface SshSetting {
  ssh: SshPort
  host: SshHost
  directory: string
  done(): Promise<void>
}

const HOSTILE = [
  '',
  ' ',
  "it's",
  '"quoted"',
  '$(touch /tmp/owned)',
  '`id`',
  '; rm -rf /',
  '&& false',
  '|| true',
  '*',
  '~',
  '$HOME',
  '-n',
  '--',
  'a\nb',
  'a\\nb',
  '\t!history',
  'Grüße 世界',
  "''''",
  '\\',
]

/** Every adapter of `SshPort` does this. */
export function sshConformance(name: string, make: () => Promise<SshSetting>): void {
  describe(`${name}: SshPort`, () => {
    let setting: SshSetting
    const never = new AbortController().signal
    const run = (argv: string[], stdin?: string) =>
      setting.ssh.exec(
        setting.host,
        argv,
        { timeout: 10_000, ...(stdin === undefined ? {} : { stdin }) },
        never,
      )
    beforeAll(async () => {
      setting = await make()
    })
    afterAll(() => setting?.done())

    test('returns the exit code and both streams', async () => {
      const result = await run(['sh', '-c', 'echo out; echo err >&2; exit 3'])
      expect(result).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\n' })
    })
    test('says 127 for a program that does not exist', async () => {
      expect((await run(['no-such-program'])).code).toBe(127)
    })
    test('passes every argument as it is', async () => {
      const result = await run(['printf', '%s\\0', ...HOSTILE])
      expect(result.stdout.split('\0').slice(0, -1)).toEqual(HOSTILE)
    })
    test('passes standard input, and closes it when there is none', async () => {
      expect((await run(['cat'], "it's $HOME\n")).stdout).toBe("it's $HOME\n")
      expect((await run(['cat'])).stdout).toBe('')
    })
    test('ends a command that takes too long, on the other side too', async () => {
      const late = setting.ssh.exec(setting.host, ['sleep', '4719'], { timeout: 300 }, never)
      await expect(late).rejects.toMatchObject({ code: 'command-timeout', retryable: true })
      expect((await run(['pgrep', '-fx', 'sleep 4719'])).stdout).toBe('')
    })
    test('stops waiting when aborted', async () => {
      const signal = AbortSignal.timeout(100)
      const stopped = setting.ssh.exec(setting.host, ['sleep', '2'], { timeout: 3_000 }, signal)
      expect(await stopped.catch((error: unknown) => error)).toBe(signal.reason)
      expect(signal.aborted).toBe(true)
    })
    test('puts files with their mode into directories that did not exist', async () => {
      const path = `${setting.directory}/new dir/deep/it's.txt`
      await setting.ssh.put(setting.host, [{ path, content: 'Grüße\n', mode: 0o640 }], never)
      expect((await run(['cat', path])).stdout).toBe('Grüße\n')
      expect((await run(['stat', '-c', '%a', path])).stdout).toBe('640\n')
    })
    test('replaces a file whole, with its mode, and leaves nothing beside it', async () => {
      const path = `${setting.directory}/replaced/file`
      await setting.ssh.put(setting.host, [{ path, content: 'long, old content', mode: 0o644 }], never)
      await setting.ssh.put(setting.host, [{ path, content: '', mode: 0o600 }], never)
      expect((await run(['stat', '-c', '%s %a', path])).stdout).toBe('0 600\n')
      expect((await run(['ls', '-A', `${setting.directory}/replaced`])).stdout).toBe('file\n')
    })
    test('replaces no file when one of them cannot be written', async () => {
      const good = `${setting.directory}/all-or-none`
      await run(['mkdir', '-p', `${setting.directory}/long`])
      const bad = `${setting.directory}/long/${'x'.repeat(255)}`
      const files = [good, bad].map(path => ({ path, content: 'x', mode: 0o600 }))
      await expect(setting.ssh.put(setting.host, files, never)).rejects.toMatchObject({ name: 'PortError' })
      expect((await run(['ls', good])).code).toBe(2)
      expect((await run(['find', setting.directory, '-name', '*.new'])).stdout).toBe('')
    })
    test.each(['relative', '/etc/../etc/x', '/trailing/', '/nul\0'])('refuses the path %j', async path => {
      const put = setting.ssh.put(setting.host, [{ path, content: '', mode: 0o600 }], never)
      await expect(put).rejects.toMatchObject({ code: 'bad-file', retryable: false })
    })
    test('shows the host key', async () => {
      const key = await setting.ssh.hostKey(setting.host.address, setting.host.port, never)
      expect(key).toBe(setting.host.hostKey)
    })
    test('refuses a host that shows another key, for good', async () => {
      const hostKey = setting.ssh.newHostKey().publicKey
      const stranger = setting.ssh.exec({ ...setting.host, hostKey }, ['true'], { timeout: 5_000 }, never)
      await expect(stranger).rejects.toMatchObject({ code: 'host-key-mismatch', retryable: false })
    })
    test('makes a new host key every time', () => {
      const [one, two] = [setting.ssh.newHostKey(), setting.ssh.newHostKey()]
      expect(one.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+$/)
      expect(one.publicKey).not.toBe(two.publicKey)
      expect(one.privateKey).toContain('OPENSSH PRIVATE KEY')
    })
    test('names the key that it logs in with', async () => {
      expect(await setting.ssh.authorizedKey()).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+( .*)?$/)
    })
  })
}
