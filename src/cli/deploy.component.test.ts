import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { diskForMachines, tempDir } from '../../test/support/temp.js'
import { SETTINGS } from '../config/env.js'

const ROOT = path.resolve(import.meta.dirname, '../..')
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8')
const run = promisify(execFile)

/** Names of settings, with the forms that read a file. */
const KNOWN = new Set(Object.keys(SETTINGS).flatMap(name => [name, `${name}_FILE`]))

describe('S0-8: docker-compose.yml', () => {
  interface Service {
    image: string
    command: string[]
    read_only?: boolean
    cap_drop?: string[]
    healthcheck?: object
    environment?: Record<string, string>
    ports?: string[]
    networks?: string[]
    secrets?: string[]
    depends_on?: Record<string, object>
  }
  const compose = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>
    secrets: Record<string, { file: string }>
    networks: Record<string, { internal?: boolean }>
  }
  const { redis, api, worker } = compose.services

  test('Redis keeps every job, and nobody else reaches it', () => {
    expect(redis?.command.join(' ')).toContain('--appendonly yes')
    expect(redis?.command.join(' ')).toContain('--maxmemory-policy noeviction')
    expect(redis).not.toHaveProperty('ports')
    expect(redis?.networks).toEqual(['queue'])
    expect(compose.networks.queue?.internal).toBe(true)
  })

  test('API and worker are one image with the same settings', () => {
    expect(api?.image).toBe(worker?.image)
    expect([api?.command, worker?.command]).toEqual([['api'], ['worker']])
    expect(api?.environment).toEqual(worker?.environment)
    expect(Object.keys(worker?.depends_on ?? {})).toEqual(['redis', 'api'])
  })

  test('every setting is one that exists, and no secret stands in it', () => {
    const secrets = Object.entries(SETTINGS).flatMap(([name, setting]) => ('secret' in setting ? [name] : []))
    const names = Object.keys(api?.environment ?? {}).filter(name => name !== 'HOME')
    expect(names.filter(name => !KNOWN.has(name))).toEqual([])
    expect(names.filter(name => secrets.includes(name) && name !== 'REDIS_URL')).toEqual([])
    for (const [name, value] of Object.entries(api?.environment ?? {}))
      if (name.endsWith('_FILE')) expect(api?.secrets).toContain(path.basename(value))
    expect(Object.keys(compose.secrets)).toEqual(api?.secrets)
  })

  test('every service is locked down, watched, and loopback only', () => {
    for (const service of Object.values(compose.services))
      expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], healthcheck: expect.any(Object) })
    for (const port of api?.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/)
  })
})

describe('Dockerfile', () => {
  const text = read('Dockerfile')
  const image = tempDir()

  beforeAll(async () => {
    await run(path.join(ROOT, 'node_modules/.bin/tsc'), [
      '-p',
      `${ROOT}/tsconfig.build.json`,
      '--outDir',
      `${image}/dist`,
      '--noCheck',
    ])
    for (const [from, to] of copied(text)) if (from !== 'dist' && from !== 'node_modules') copy(from, to)
    linkProductionPackages()
  })

  /** What the last stage takes from the build: pairs of source and target, both without the directory of the stage. */
  function copied(dockerfile: string): [string, string][] {
    return [...dockerfile.matchAll(/^COPY --from=build \/build\/(\S+) \.\/(\S*)$/gm)].map(
      ([, from = '', to = '']) => [
        from,
        to === '' || to.endsWith('/') ? path.join(to, path.basename(from)) : to,
      ],
    )
  }
  function copy(from: string, to: string): void {
    mkdirSync(path.dirname(path.join(image, to)), { recursive: true })
    cpSync(path.join(ROOT, from), path.join(image, to), { recursive: true })
  }
  /** node_modules after `npm prune --omit=dev`. */
  function linkProductionPackages(): void {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { dev?: boolean }>
    }
    for (const [place, { dev }] of Object.entries(packages)) {
      if (dev || !/^node_modules\/(@[^/]+\/)?[^/]+$/.test(place) || !existsSync(path.join(ROOT, place)))
        continue
      mkdirSync(path.dirname(path.join(image, place)), { recursive: true })
      symlinkSync(path.join(ROOT, place), path.join(image, place))
    }
  }

  test('what it copies is a whole installation: the command runs, the database opens', async () => {
    const env = { PATH: process.env.PATH, LAZARUS_DATA: tempDir(diskForMachines()) }
    const { stdout } = await run(path.join(image, 'bin/lazarus'), ['doctor', '--sandbox', '--json'], { env })
    const { findings } = JSON.parse(stdout) as { findings: { name: string; status: string }[] }
    expect(findings.find(({ name }) => name === 'database')).toMatchObject({ status: 'ok' })
  })

  test('the API answers from it, with the edge sources it needs', async () => {
    const env = {
      PATH: process.env.PATH,
      LAZARUS_DATA: tempDir(),
      LAZARUS_TERRAFORM: 'none',
      HCLOUD_TOKEN: 'none',
      CLOUDFLARE_API_TOKEN: 'none',
    }
    const up = execFile(path.join(image, 'bin/lazarus'), ['up', '--port', '0', '--json'], { env })
    try {
      const line = await new Promise<string>((resolve, reject) => {
        up.stdout?.once('data', chunk => resolve(String(chunk)))
        up.once('exit', code => reject(new Error(`ended with ${code}`)))
      })
      const { url } = JSON.parse(line) as { url: string }
      expect((await fetch(`${url}/readyz`)).status).toBe(200)
    } finally {
      const ended = new Promise(resolve => up.once('exit', resolve))
      up.kill('SIGTERM')
      await ended
    }
  })

  test('nobody is root in it, and versions are pinned', () => {
    expect(text).toMatch(/^USER node$/m)
    for (const [, name] of text.matchAll(/^ARG (\w+)=\s*$/gm)) expect(name).toBe('HCLOUD_PLUGIN_SHA256')
    expect(text).not.toMatch(/^FROM \S+:latest/m)
    expect(read('.dockerignore').split('\n')[0]).toBe('*')
  })
})

describe('deploy/lazarus.service', () => {
  const unit = read('deploy/lazarus.service')

  test.skipIf(!existsSync('/usr/bin/systemd-analyze'))(
    'systemd accepts it and calls it well contained',
    () => {
      const file = path.join(tempDir(), 'lazarus.service')
      writeFileSync(file, unit.replaceAll('/opt/lazarus', ROOT))
      expect(execFileSync('systemd-analyze', ['verify', file], { encoding: 'utf8', stdio: 'pipe' })).toBe('')
      const argv = ['security', '--offline=true', '--threshold=25', file]
      expect(() => execFileSync('systemd-analyze', argv, { stdio: 'pipe' })).not.toThrow()
    },
  )

  test('its settings exist, and secrets come as credentials', () => {
    const names = [...unit.matchAll(/^Environment=(.*)$/gm)].flatMap(([, line = '']) =>
      line.split(' ').map(pair => pair.split('=')[0] ?? ''),
    )
    expect(names.filter(name => name !== 'HOME' && !KNOWN.has(name))).toEqual([])
    for (const [, credential] of unit.matchAll(/%d\/(\w+)/g))
      expect(unit).toContain(`LoadCredential=${credential}:`)
  })
})
