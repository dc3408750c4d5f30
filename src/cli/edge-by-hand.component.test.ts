import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { EDGE_IMAGE, REDIS, REDIS_IMAGE, renderCompose } from '../render/compose.js'

const ROOT = path.resolve(import.meta.dirname, '../..')
const file = (name: string) => path.join(ROOT, 'deploy/edge', name)
const read = (name: string) => readFileSync(file(name), 'utf8')

interface Service {
  image: string
  command: string[]
  [key: string]: unknown
}

describe('S0-25: the systemd unit of a node installed by hand', () => {
  const unit = read('lazarus-edge.service')

  test.skipIf(!existsSync('/usr/bin/systemd-analyze'))(
    'systemd accepts it and calls it well contained',
    () => {
      const copy = path.join(tempDir(), 'lazarus-edge.service')
      writeFileSync(copy, unit.replace('ExecStart=/opt/lazarus/start', `ExecStart=${file('start')}`))
      expect(execFileSync('systemd-analyze', ['verify', copy], { encoding: 'utf8', stdio: 'pipe' })).toBe('')
      const argv = ['security', '--offline=true', '--threshold=30', copy]
      expect(() => execFileSync('systemd-analyze', argv, { stdio: 'pipe' })).not.toThrow()
    },
  )

  test('S0-20: it is started again, may listen on 443 as www-data, and reads its token from a file', () => {
    for (const line of [
      'Restart=always',
      'User=www-data',
      'AmbientCapabilities=CAP_NET_BIND_SERVICE',
      'EnvironmentFile=/opt/lazarus/edge.env',
    ])
      expect(unit.split('\n')).toContain(line)
  })
})

describe('the compose file of a node installed by hand', () => {
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, Service>
  }
  const deployed = JSON.parse(renderCompose({ image: EDGE_IMAGE })) as { services: Record<string, Service> }

  test('S0-8: has the images and the rights that a deployed edge has', () => {
    expect(Object.keys(services)).toEqual(['edge', 'redis'])
    expect([services.edge?.image, services.redis?.image]).toEqual([EDGE_IMAGE, REDIS_IMAGE])
    expect(services.redis?.command).toEqual(deployed.services.redis?.command)
    expect(services.redis?.volumes).toEqual(deployed.services.redis?.volumes)
    for (const [name, service] of Object.entries(services)) {
      const { cap_drop, cap_add, user, logging, network_mode, restart } = deployed.services[name] as Service
      expect(service).toMatchObject({
        ...{ cap_drop, logging, network_mode, restart },
        ...(cap_add ? { cap_add } : { user }),
      })
    }
  })

  test('S1-5: the settings are those of the agent', () => {
    expect(services.edge?.env_file).toEqual(['edge.env'])
    const names = [...read('edge.env.example').matchAll(/^(\w+)=(.*)$/gm)].map(([, name]) => name)
    expect(names).toEqual(['APP_TOKEN', 'API_BASE', 'REDIS_HOST', 'REDIS_PORT'])
    expect(read('edge.env.example')).toContain(`REDIS_HOST=${REDIS.host}\nREDIS_PORT=${REDIS.port}\n`)
  })
})

test('S1-9: nginx.conf is constant and includes upstream, maps and server', () => {
  expect(
    read('nginx.conf')
      .match(/^ *include .*/gm)
      ?.map(line => line.trim()),
  ).toEqual([
    'include resolver.conf;',
    'include upstream.conf;',
    'include maps.conf;',
    'include server.conf;',
  ])
})

describe('installed and started by the very files', () => {
  const asRoot = process.getuid?.() === 0
  let home: string
  let nginx: ChildProcess | undefined
  const asked: { url: string; authorization: string | undefined }[] = []
  const plane = createServer((request, response) => {
    asked.push({ url: request.url ?? '', authorization: request.headers.authorization })
    response.writeHead(503).end()
  })

  beforeAll(async () => {
    plane.listen(0, '127.0.0.1')
    await once(plane, 'listening')
    home = path.join(tempDir(), 'lazarus')
    chmodSync(path.dirname(home), 0o755)
    if (!asRoot) return
    execFileSync(file('install'), [home], { stdio: 'pipe' })
    const { services } = parse(read('docker-compose.yml'), { merge: true }) as { services: { edge: Service } }
    const [program = '', ...argv] = services.edge.command.map(word => word.replace('/opt/lazarus', home))
    const { port } = plane.address() as AddressInfo
    const env = { API_BASE: `http://127.0.0.1:${port}`, APP_TOKEN: 'lzr_app-token-0123456789' }
    const redis = { REDIS_HOST: '127.0.0.1', REDIS_PORT: '1' }
    nginx = spawn(program, argv, {
      env: { PATH: process.env.PATH, LAZARUS_HOME: home, ...env, ...redis },
      stdio: 'ignore',
    })
  })
  afterAll(async () => {
    plane.closeAllConnections()
    plane.close()
    if (!nginx || nginx.exitCode !== null) return
    const ended = once(nginx, 'exit')
    nginx.kill('SIGTERM')
    await ended
  })

  const log = () => readFileSync(path.join(home, 'nginx/logs/error.log'), 'utf8')

  test.runIf(asRoot)(
    'settings are for root alone; a second installation keeps them, and removes what is gone',
    () => {
      writeFileSync(path.join(home, 'nginx/lua/old.lua'), '')
      expect(statSync(path.join(home, 'edge.env')).mode & 0o777).toBe(0o600)
      writeFileSync(path.join(home, 'edge.env'), 'APP_TOKEN=mine\n')
      execFileSync(file('install'), [home], { stdio: 'pipe' })
      expect(readFileSync(path.join(home, 'edge.env'), 'utf8')).toBe('APP_TOKEN=mine\n')
      expect(readdirSync(path.join(home, 'nginx/lua'))).toEqual(readdirSync(path.join(ROOT, 'lua')))
    },
  )

  test.runIf(asRoot)("Redis's password is made once, for www-data alone", () => {
    const [password, conf] = [
      path.join(home, 'agent/redis-password'),
      path.join(home, 'redis/conf/redis.conf'),
    ]
    const texts = () => [readFileSync(password, 'utf8'), readFileSync(conf, 'utf8')]
    const made = texts()
    expect(made[0]).toMatch(/^[0-9a-f]{64}\n$/)
    expect(made[1]).toBe(`requirepass ${made[0]}`)
    for (const name of [password, conf])
      expect(execFileSync('stat', ['-c', '%U %a', name], { encoding: 'utf8' })).toBe('www-data 600\n')
    execFileSync(file('install'), [home], { stdio: 'pipe' })
    expect(texts()).toEqual(made)
  })

  test.runIf(asRoot)('S0-25: nginx runs as www-data from its first process on, with our Lua', async () => {
    await until(() => existsSync(path.join(home, 'nginx/logs/nginx.pid')), { what: 'nginx to start' })
    const owner = execFileSync('stat', ['-c', '%U', `/proc/${nginx?.pid}`], { encoding: 'utf8' })
    expect(owner.trim()).toBe('www-data')
    await until(() => log().includes('lazarus agent:'), { what: 'the agent to say something' })
    expect(log()).not.toMatch(/\[(emerg|alert|crit)\]/)
  })

  test.runIf(asRoot)('S1-5: the agent asks with its token, which no log holds', async () => {
    await until(() => asked.length > 0, { what: 'the agent to ask' }).catch(cause => {
      throw new Error(log(), { cause })
    })
    expect(asked[0]?.url).toMatch(/^\/api\/v1\/media-slave\/config\/version/)
    expect(asked[0]?.authorization).toMatch(/^(Bearer|App) lzr_app-token-0123456789$/)
    expect(log()).not.toContain('lzr_app-token')
  })
})
