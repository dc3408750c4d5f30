import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { startRedis } from '../../../test/support/redis.js'
import { diskForMachines, tempDir } from '../../../test/support/temp.js'
import type { Finding } from './finding.js'

const ROOT = path.resolve(import.meta.dirname, '../../..')

interface Report {
  code: number
  ready: boolean
  findings: Record<string, Finding>
}

/** Runs the doctor in a mount namespace where `hidden` files cannot be run and directories are empty. */
function doctor(
  hidden: string[],
  argv: string[] = [],
  environment: Record<string, string> = {},
): Promise<Report> {
  const hide = hidden.map(
    file => `if [ -d ${file} ]; then mount -t tmpfs t ${file}; else mount --bind /dev/null ${file}; fi`,
  )
  const script = [...hide, `exec ${ROOT}/bin/lazarus doctor --json "$@"`].join('\n')
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: '/root',
    LAZARUS_DATA: tempDir(diskForMachines()),
    ...environment,
  }
  return new Promise((resolve, reject) => {
    execFile('unshare', ['--mount', 'sh', '-ec', script, 'sh', ...argv], { env }, (error, stdout, stderr) => {
      const code = error ? Number(error.code) : 0
      if (!stdout.startsWith('{')) return reject(new Error(`${code}: ${stderr}`))
      const { ready, findings } = JSON.parse(stdout) as { ready: boolean; findings: Finding[] }
      resolve({ code, ready, findings: Object.fromEntries(findings.map(finding => [finding.name, finding])) })
    })
  })
}

describe('the doctor tells the truth', () => {
  test('nothing missing: the sandbox can run, and the exit code says so', async () => {
    const { code, ready, findings } = await doctor([], ['--sandbox'])
    expect({ code, ready }).toEqual({ code: 0, ready: true })
    expect(findings['provider tokens']?.status).toBe('warn')
  })

  test('without provider tokens a real cloud cannot be used', async () => {
    const { code, findings } = await doctor([])
    expect(code).toBe(1)
    expect(findings['provider tokens']).toMatchObject({
      status: 'missing',
      detail: expect.stringMatching(/HCLOUD_TOKEN/),
    })
  })

  test('missing programs are named with the packages that hold them', async () => {
    const programs = ['/usr/bin/pebble', '/usr/sbin/sshd', '/usr/bin/redis-server', '/usr/bin/v2ray']
    const hidden = [...programs, '/usr/lib/nginx/modules']
    const { code, findings } = await doctor(hidden, ['--sandbox'])
    expect(code).toBe(1)
    expect(findings.redis).toMatchObject({
      status: 'missing',
      fix: expect.stringContaining('apt-get install redis-server'),
    })
    expect(findings['nginx with Lua']).toMatchObject({
      status: 'missing',
      detail: expect.stringMatching(/ndk_http_module/),
    })
    const fix = findings['sandbox programs']?.fix ?? ''
    expect(fix.split(' ')).toEqual(
      expect.arrayContaining(['pebble', 'openssh-server', 'v2ray', 'libnginx-mod-http-lua']),
    )
    expect(findings['disk space']?.status).toBe('ok')
  })

  test('what only the sandbox needs is no obstacle to a real cloud', async () => {
    const tokens = { HCLOUD_TOKEN: 'x', CLOUDFLARE_API_TOKEN: 'x', LAZARUS_TERRAFORM: 'none' }
    const { code, findings } = await doctor(['/usr/bin/pebble'], [], tokens)
    expect(code).toBe(0)
    expect(findings['sandbox programs']?.status).toBe('warn')
  })

  test('every package it names is one that bin/setup installs', async () => {
    const { findings } = await doctor([
      '/usr/bin/pebble',
      '/usr/sbin/sshd',
      '/usr/sbin/nginx',
      '/usr/bin/ssh-keygen',
      '/usr/bin/v2ray',
    ])
    const setup = readFileSync(path.join(ROOT, 'bin/setup'), 'utf8')
    const named = Object.values(findings).flatMap(
      ({ fix = '' }) => /^apt-get install ([a-z0-9 -]+)/.exec(fix)?.[1]?.split(' ') ?? [],
    )
    expect(named.length).toBeGreaterThan(3)
    for (const name of named) expect(setup).toMatch(new RegExp(`^  ${name} `, 'm'))
  })

  test('a Redis that would forget jobs is refused, without showing its password', async () => {
    const redis = await startRedis()
    try {
      const good = await doctor([], ['--sandbox'], { REDIS_URL: redis.url })
      expect(good.findings.redis).toMatchObject({
        status: 'ok',
        detail: expect.stringContaining('noeviction'),
      })
    } finally {
      await redis.stop()
    }
    const url = redis.url.replace('redis://', 'redis://:hunter2@')
    const gone = await doctor([], ['--sandbox'], { REDIS_URL: url })
    expect(gone.findings.redis?.status).toBe('missing')
    expect(JSON.stringify(gone.findings)).not.toContain('hunter2')
  })

  test('bad settings are named', async () => {
    const { code, findings } = await doctor([], ['--sandbox'], { LAZARUS_LISTEN: 'everywhere' })
    expect(code).toBe(1)
    expect(findings.settings).toMatchObject({
      status: 'missing',
      detail: expect.stringContaining('LAZARUS_LISTEN'),
    })
  })

  test('it leaves nothing behind', async () => {
    const data = path.join(tempDir(diskForMachines()), 'data')
    await doctor([], ['--sandbox'], { LAZARUS_DATA: data })
    expect(existsSync(data)).toBe(false)
  })
})
