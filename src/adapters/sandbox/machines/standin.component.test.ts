import { readdirSync, readlinkSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestSandbox } from '../../../../test/support/sandbox.js'
import { until } from '../../../../test/support/wait.js'
import { EDGE_IMAGE, renderCompose } from '../../../render/compose.js'

/** The three services of an edge, as deployed, on a machine of the sandbox. */
const NGINX = `error_log logs/error.log;
pid logs/nginx.pid;
events {}
http { access_log off; server { listen 80; location / { content_by_lua_block { ngx.print("hi") } } } }`
const V2RAY = JSON.stringify({
  inbounds: [
    {
      ...{ listen: '127.0.0.1', port: 10801, protocol: 'vless' },
      settings: { clients: [{ id: '3f0b4e0a-7d5c-4a39-9a53-0c1b7b1e4a11' }], decryption: 'none' },
    },
  ],
  outbounds: [{ protocol: 'freedom' }],
})
const CHATTY = {
  command: ['sh', '-c', 'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); done; exec sleep 1000'],
  network_mode: 'host',
  user: '33:33',
  logging: { driver: 'json-file', options: { 'max-size': '1k', 'max-file': '3' } },
}

let sandbox: Awaited<ReturnType<typeof startTestSandbox>>
let machine: Awaited<ReturnType<typeof sandbox.raise>>
beforeAll(async () => {
  sandbox = await startTestSandbox()
  machine = await sandbox.raise('edge-1', 'docker-ce')
  await put('nginx/nginx.conf', NGINX)
  await put('v2ray/config.json', V2RAY)
  await put('docker-compose.yml', renderCompose({ image: EDGE_IMAGE }))
  await put('redis/conf/redis.conf', 'requirepass of-the-test')
  await out('cd /opt/lazarus; mkdir -p nginx/logs redis; chown -R www-data nginx redis v2ray')
  await out('chmod 0600 /opt/lazarus/v2ray/config.json /opt/lazarus/redis/conf/redis.conf')
  await docker('up -d --wait')
})
afterAll(() => sandbox?.close())

const out = async (command: string): Promise<string> => {
  const { code, stdout, stderr } = await sandbox.shell(machine.host, command)
  expect({ code, stderr }, command).toMatchObject({ code: 0 })
  return stdout.trim()
}
const put = (path: string, text: string) =>
  out(`mkdir -p "$(dirname /opt/lazarus/${path})"; cat >/opt/lazarus/${path} <<'END'\n${text}\nEND`)
const docker = (words: string) => out(`docker compose -p lazarus -f /opt/lazarus/docker-compose.yml ${words}`)
const redisCli = (words: string) => `REDISCLI_AUTH=of-the-test redis-cli -h 127.0.0.1 ${words}`
/** State of each service, by name. */
const states = async (): Promise<Record<string, string>> => {
  const rows = (await docker('ps --format json')).split('\n').map(row => JSON.parse(row))
  return Object.fromEntries(rows.map(({ Service, State }) => [Service, State]))
}
/** The main process of each service, by name. */
const pids = async (): Promise<Record<string, number>> =>
  JSON.parse(
    await out(
      `cd /run/docker-standin; for f in *.pid; do
       printf '"%s":%s,' "\${f%-1.pid}" "$(sed 's/.*"pid": \\([0-9]*\\).*/\\1/' $f)"; done | sed 's/^/{/;s/,$/}/;s/lazarus-//g'`,
    ),
  )
const userOf = (pid: number) => out(`stat -c %U /proc/${pid}`)
const page = async () => (await fetch(`http://${machine.host.address}/`)).text()
/** The PID namespace of a process; empty when it is gone. */
function pidSpaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return ''
  }
}
const everyoneRuns = { edge: 'running', v2ray: 'running', redis: 'running' }
const serves = () => until(async () => (await page()) === 'hi')

test('S0-16: nginx, v2ray and Redis come up, each as www-data, on the ports that are theirs', async () => {
  expect(await states()).toEqual(everyoneRuns)
  await serves()
  for (const pid of Object.values(await pids())) expect(await userOf(pid)).toBe('www-data')
  expect(await out('redis-cli -h 127.0.0.1 ping')).toContain('NOAUTH')
  expect(await out(redisCli('config get maxmemory-policy'))).toContain('noeviction')
  await out("bash -c '</dev/tcp/127.0.0.1/10801'")
  for (const port of [6379, 10801])
    expect(
      (await sandbox.shell(machine.host, `bash -c '</dev/tcp/${machine.host.address}/${port}'`)).code,
    ).toBe(1)
})

test('nginx as www-data has the one right it needs, and may signal its own master', async () => {
  const { edge } = await pids()
  expect(await out(`grep CapEff /proc/${edge}/status`)).toMatch(/0000000000000400$/)
  await out(`setpriv --reuid www-data --regid www-data --clear-groups kill -HUP ${edge}`)
  await serves()
})

test('one service is started anew, logged and stopped by its name, the others are left alone', async () => {
  const before = await pids()
  await docker('restart v2ray')
  const after = await pids()
  expect(after.v2ray).not.toBe(before.v2ray)
  expect(after).toMatchObject({ edge: before.edge, redis: before.redis })
  await until(async () => /V2Ray 4\.\d+/.test(await docker('logs v2ray')))
  expect(await docker('logs edge')).not.toContain('V2Ray')
})

test('S0-20: each comes back after it died, Redis with what it knew', async () => {
  await out(redisCli('set kept yes'))
  // On the disk within a second: everysec.
  await until(
    async () => (await out('grep -c kept /opt/lazarus/redis/appendonlydir/*.incr.aof || true')) === '1',
  )
  const before = await pids()
  await out(`kill -9 ${Object.values(before).join(' ')}`)
  await until(async () => {
    const now = await pids()
    return Object.entries(before).every(([name, pid]) => now[name] && now[name] !== pid)
  })
  await serves()
  await until(async () => (await out(redisCli('get kept || true'))) === 'yes')
})

test('what a service says is kept as its `logging` says, the oldest goes first', async () => {
  await put('other.yml', JSON.stringify({ services: { chatty: CHATTY } }))
  const other = (words: string) => out(`docker compose -p other -f /opt/lazarus/other.yml ${words}`)
  await other('up -d')
  const logged = await until(async () => {
    const text = await other('logs')
    return text.endsWith('line 399') && text
  })
  expect(logged).not.toContain('line 0\n')
  expect(Number(await out('cat /var/lib/docker/standin/other-chatty-1.log* | wc -c'))).toBeLessThan(3 * 1024)
  expect(await out('ls /var/lib/docker/standin/other-chatty-1.log* | wc -l')).toBe('3')
  await other('down')
})

test('a user that is no number is refused: names are those of an image, which is not there', async () => {
  await put('bad.yml', JSON.stringify({ services: { bad: { ...CHATTY, user: 'redis' } } }))
  const { code, stderr } = await sandbox.shell(machine.host, 'docker compose -f /opt/lazarus/bad.yml up -d')
  expect({ code, stderr }).toMatchObject({ code: 15, stderr: expect.stringContaining('by number') })
})

test('nothing is left when the machine dies', async () => {
  const first = (await sandbox.machines()).find(({ id }) => id === machine.id)?.pid
  const space = readlinkSync(`/proc/${first}/ns/pid`)
  const inside = () => readdirSync('/proc').filter(pid => /^\d+$/.test(pid) && pidSpaceOf(pid) === space)
  expect(inside().length).toBeGreaterThan(6)
  await sandbox.fault({ kind: 'machine-dies', machine: 'edge-1' })
  expect(inside()).toEqual([])
  await sandbox.clearFaults()
  const { action } = await sandbox.hcloud('POST', `/servers/${machine.id}/actions/poweron`)
  await sandbox.finished(action)
  await serves()
  await until(async () => Object.values(await states()).every(state => state === 'running'))
  await docker('down')
  expect(await out('docker ps')).toBe('')
})
