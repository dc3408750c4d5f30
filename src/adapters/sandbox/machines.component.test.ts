import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startTestSandbox } from '../../../test/support/sandbox.js'
import { until } from '../../../test/support/wait.js'
import type { SshHost } from '../../ports/ssh.js'

const NGINX = `worker_processes 1;
error_log logs/error.log;
pid logs/nginx.pid;
events {}
http {
  access_log off;
  server { listen 80; listen [::]:80; location / { content_by_lua_block { ngx.print("hi from ", ngx.var.hostname) } } }
}`
const COMPOSE = JSON.stringify({
  services: {
    edge: {
      image: 'openresty/openresty',
      network_mode: 'host',
      restart: 'unless-stopped',
      volumes: ['/opt/lazarus:/opt/lazarus'],
      command: ['nginx', '-p', '/opt/lazarus/nginx/', '-c', 'nginx.conf', '-g', 'daemon off;'],
    },
  },
})
const DOCKER = 'docker compose -p lazarus -f /opt/lazarus/docker-compose.yml'
const INSTALL = 'apt-get -q update && apt-get -q -y install docker.io'

let sandbox: Awaited<ReturnType<typeof startTestSandbox>>
beforeAll(async () => {
  sandbox = await startTestSandbox()
})
afterAll(() => sandbox?.close())
afterEach(() => sandbox.clearFaults())

type Raised = Awaited<ReturnType<typeof sandbox.raise>>

const out = async (host: SshHost, command: string) => {
  const { code, stdout, stderr } = await sandbox.shell(host, command)
  expect({ code, stderr }, command).toMatchObject({ code: 0 })
  return stdout.trim()
}
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
const layOut = (host: SshHost, compose = COMPOSE) =>
  out(
    host,
    `mkdir -p /opt/lazarus/nginx/logs
    echo ${quoted(NGINX)} >/opt/lazarus/nginx/nginx.conf
    echo ${quoted(compose)} >/opt/lazarus/docker-compose.yml`,
  )
const page = async (address: string) => (await fetch(`http://${address}/`)).text()
const linkOf = ({ id, host }: Raised) => `lz${host.address.split('.')[2]}-${id}`
const ipv6Of = async ({ id }: Raised) => {
  const { server } = await sandbox.hcloud('GET', `/servers/${id}`)
  return server.public_net.ipv6.ip.replace('/64', '1')
}

function commandLine(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

/** What a stranger sees who connects to port 22: the banner, or the error. */
async function knock(host: SshHost): Promise<string> {
  const socket = connect(host.port ?? 22, host.address)
  try {
    const [banner] = await once(socket, 'data')
    return String(banner)
  } catch (error) {
    return String(error)
  } finally {
    socket.destroy()
  }
}

describe('a machine', () => {
  let one: Raised
  let two: Raised
  beforeAll(async () => {
    ;[one, two] = await Promise.all([sandbox.raise('iso-1'), sandbox.raise('iso-2')])
  })

  test('has its own name, keys, processes and addresses', async () => {
    expect(await out(one.host, 'hostname')).toBe('iso-1')
    expect(await out(one.host, 'cat /etc/hostname')).toBe('iso-1')
    expect(Number(await out(one.host, 'ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(12)
    expect(await out(one.host, 'ip -br -4 address show eth0')).toContain(one.host.address)
    const other = { ...one.host, hostKey: two.host.hostKey }
    await expect(sandbox.shell(other, 'true')).rejects.toMatchObject({ code: 'host-key-mismatch' })
  })

  test('sees nothing of the host but its programs', async () => {
    expect(await out(one.host, 'ls /root /home /opt /tmp /srv /mnt /usr/local/bin')).not.toMatch(
      /lazarus|node/,
    )
    expect(await out(one.host, 'ls /')).not.toMatch(/work/)
    expect(await out(one.host, 'cat /proc/mounts')).not.toMatch(/ext4|xfs|btrfs/)
    expect(await out(one.host, `ls -d ${sandbox.directory} 2>/dev/null; true`)).toBe('')
    expect(await out(one.host, 'cut -d: -f1,2 /etc/shadow')).not.toMatch(/:\$/)
  })

  test('writes to its own disk only', async () => {
    await out(one.host, 'echo mine >/etc/motd && echo mine >/usr/bin/mine && echo mine >/opt/mine')
    expect(await out(two.host, 'cat /etc/motd /usr/bin/mine /opt/mine 2>/dev/null; true')).toBe('')
    expect(() => readFileSync('/usr/bin/mine')).toThrow('ENOENT')
  })

  test.each([
    ['makes no device', 'mknod /tmp/disk b 8 0'],
    ['mounts nothing', 'mount -t tmpfs none /mnt'],
    ['changes no setting of the kernel', 'echo 1 >/proc/sys/kernel/panic'],
    ['sends no magic key', 'echo h >/proc/sysrq-trigger'],
    ['does not reach past its network', 'ip route get 192.0.2.1'],
  ])('%s', async (_, command) => {
    expect((await sandbox.shell(one.host, command)).code).not.toBe(0)
  })

  test('reaches its neighbours and the sandbox by both kinds of address', async () => {
    const reach = async (address: string, port: number) =>
      (await sandbox.shell(one.host, `timeout 2 bash -c '</dev/tcp/${address}/${port}'`)).code
    expect(await reach(two.host.address, 22)).toBe(0)
    expect(await reach(await ipv6Of(two), 22)).toBe(0)
    expect(await reach((await sandbox.describe()).gateway, 53)).toBe(0)
  })

  test('clears away dead processes that nobody waits for', async () => {
    await out(one.host, 'for i in 1 2 3; do (sleep 0.0$i &); done')
    await until(async () => (await out(one.host, "grep -l ' Z ' /proc/[0-9]*/stat; true")) === '')
  })
})

describe('the stand-in for Docker', () => {
  let machine: Raised
  const docker = (words: string) => sandbox.shell(machine.host, `${DOCKER} ${words}`)
  const serves = (text: string) => until(async () => (await page(machine.host.address)) === text)
  beforeAll(async () => {
    machine = await sandbox.raise('docker-1')
    expect((await sandbox.shell(machine.host, 'command -v docker')).code).not.toBe(0)
    await out(machine.host, INSTALL)
    await layOut(machine.host)
    expect(await docker('up -d --wait')).toMatchObject({ code: 0 })
  })

  test('answers to the questions that find out whether it is there', async () => {
    for (const words of ['version', '--version', 'info', 'compose version', 'ps']) {
      await out(machine.host, `docker ${words}`)
    }
    expect(await out(machine.host, 'dpkg -s docker.io')).toContain('install ok installed')
    // What is on record as installed is put back only when it is said that it is to be laid out anew.
    await out(machine.host, 'rm /usr/bin/docker')
    await out(machine.host, INSTALL)
    expect((await sandbox.shell(machine.host, 'docker version')).code).not.toBe(0)
    await out(machine.host, INSTALL.replace('install', '--reinstall install'))
    await out(machine.host, 'docker version')
  })

  test("serves with the machine's own nginx and Lua, on both kinds of address", async () => {
    await serves('hi from docker-1')
    expect(await page(`[${await ipv6Of(machine)}]`)).toBe('hi from docker-1')
  })

  test('leaves a service that matches as it is, and starts anew one that changed', async () => {
    const pid = () => out(machine.host, 'cat /opt/lazarus/nginx/logs/nginx.pid')
    const before = await pid()
    expect((await docker('up -d')).stderr).toContain('Running')
    expect(await pid()).toBe(before)
    await layOut(machine.host, COMPOSE.replace('"restart"', '"environment":{"A":"b"},"restart"'))
    expect((await docker('up -d --wait')).stderr).toContain('Started')
    expect(await pid()).not.toBe(before)
  })

  test('tests and reloads the configuration in place', async () => {
    const check = 'exec -T edge nginx -p /opt/lazarus/nginx/ -c nginx.conf -t'
    expect((await docker(check)).code).toBe(0)
    await out(machine.host, "sed -i 's/hi from/hello from/' /opt/lazarus/nginx/nginx.conf")
    expect((await docker('kill -s HUP edge')).code).toBe(0)
    await serves('hello from docker-1')
    await out(machine.host, 'echo nonsense >>/opt/lazarus/nginx/nginx.conf')
    expect((await docker(check)).code).not.toBe(0)
    await layOut(machine.host)
  })

  test('starts a service again that died', async () => {
    await docker('up -d --wait --force-recreate')
    await out(machine.host, 'kill -9 $(cat /opt/lazarus/nginx/logs/nginx.pid)')
    await until(async () => JSON.parse((await docker('ps --format json')).stdout).State === 'running')
    await serves('hi from docker-1')
  })

  test('says why a service does not stay up', async () => {
    await out(machine.host, 'echo nonsense >>/opt/lazarus/nginx/nginx.conf')
    const { code, stderr } = await docker('up -d --wait --force-recreate')
    expect(code).toBe(1)
    expect(stderr).toMatch(/exited \(1\)/)
    expect(stderr).toContain('unexpected end of file')
    expect(JSON.parse((await docker('ps --format json')).stdout)).toMatchObject({ State: 'restarting' })
    expect((await docker('logs')).stdout).toContain('unexpected end of file')
    await layOut(machine.host)
    expect((await docker('restart')).code).toBe(0)
    await serves('hi from docker-1')
  })

  test.each([
    ['{', /are JSON/],
    ['{"services":{"edge":{"image":"x","network_mode":"host"}}}', /needs a `command`/],
    ['{"services":{"edge":{"command":"true"}}}', /network_mode: host/],
    ['{"services":{"edge":{"command":"true","network_mode":"host","volumes":["/a:/b"]}}}', /one path/],
  ])('refuses what it cannot honour: %s', async (compose, reason) => {
    await layOut(machine.host, compose)
    const { code, stderr } = await docker('up -d')
    expect(code).not.toBe(0)
    expect(stderr).toMatch(reason)
    await layOut(machine.host)
  })

  test('brings services back after the power was cut, and ends them for good with `down`', async () => {
    const { action } = await sandbox.hcloud('POST', `/servers/${machine.id}/actions/reset`)
    await sandbox.finished(action)
    await serves('hi from docker-1')
    // The connection from before is dead, which its first use finds out.
    await until(async () => (await docker('down')).code === 0)
    await expect(page(machine.host.address)).rejects.toThrow()
    expect((await docker('ps --format json')).stdout).toBe('')
  })
})

test('the image docker-ce has the stand-in from the start', async () => {
  const { host } = await sandbox.raise('image-1', 'docker-ce')
  expect(await out(host, 'docker version')).toContain('stand-in')
  expect(await out(host, INSTALL)).toContain('newest version')
})

describe('faults', () => {
  test('an installation breaks off half way, and can be mended', async () => {
    await sandbox.fault({ kind: 'apt-fails', machine: 'apt-1', times: 2 })
    const { host } = await sandbox.raise('apt-1')
    const code = async (command: string) => (await sandbox.shell(host, command)).code
    expect(await code(INSTALL)).toBe(100)
    expect((await sandbox.shell(host, 'dpkg -s docker.io')).stdout).toContain('half-configured')
    expect(await code('dpkg --configure -a')).not.toBe(0)
    expect(await code('dpkg --configure -a')).toBe(0)
    expect(await code(INSTALL)).toBe(0)
  })

  test('sshd refuses, for so long, while sessions go on', async () => {
    const { host } = await sandbox.raise('ssh-1')
    await out(host, 'true')
    await sandbox.fault({ kind: 'sshd-refuses', machine: 'ssh-1', seconds: 0.5 })
    await until(async () => (await knock(host)).includes('ECONNREFUSED'))
    expect(await out(host, 'echo still here')).toBe('still here')
    await until(async () => (await knock(host)).startsWith('SSH-2.0'))
  })

  test('a machine that comes up while sshd refuses is up without it', async () => {
    await sandbox.fault({ kind: 'sshd-refuses', machine: 'ssh-2' })
    const { host } = await sandbox.raise('ssh-2')
    await expect(sandbox.shell(host, 'true')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await sandbox.clearFaults()
    await until(async () => (await sandbox.shell(host, 'true')).code === 0)
  })

  test('a machine that dies is dead at once: no process, no address, listed as off', async () => {
    const machine = await sandbox.raise('dies-1')
    const pid = (await sandbox.machines()).find(({ id }) => id === machine.id)?.pid ?? 0
    expect(commandLine(pid)).toContain('dies-1')
    await sandbox.fault({ kind: 'machine-dies', machine: 'dies-1' })
    expect(commandLine(pid)).toBe('')
    expect(readdirSync('/sys/class/net')).not.toContain(linkOf(machine))
    const { server } = await sandbox.hcloud('GET', `/servers/${machine.id}`)
    expect(server.status).toBe('off')
    const { action } = await sandbox.hcloud('POST', `/servers/${machine.id}/actions/poweron`)
    await sandbox.finished(action)
    expect(await out(machine.host, 'hostname')).toBe('dies-1')
  })
})

test('a machine resolves the names of the zone', async () => {
  const { host } = await sandbox.raise('dns-1')
  const { settings, dns } = await sandbox.describe()
  const headers = {
    authorization: `Bearer ${settings.CLOUDFLARE_API_TOKEN}`,
    'content-type': 'application/json',
  }
  const listed = await fetch(`${settings.CLOUDFLARE_BASE_URL}/zones`, { headers })
  const zones = (await listed.json()) as { result: [{ id: string }] }
  const body = JSON.stringify({ type: 'A', name: 'dns-1', content: host.address })
  const records = `${settings.CLOUDFLARE_BASE_URL}/zones/${zones.result[0].id}/dns_records`
  await fetch(records, { method: 'POST', headers, body })
  expect(await out(host, 'getent ahostsv4 dns-1.lazarus.test')).toContain(host.address)
  const resolver = new Resolver()
  resolver.setServers([`${dns.host}:${dns.port}`])
  expect(await resolver.resolve4('dns-1.lazarus.test')).toEqual([host.address])
})

test('deleting removes processes, link and disk', async () => {
  const machine = await sandbox.raise('gone-1')
  const pid = (await sandbox.machines()).find(({ id }) => id === machine.id)?.pid ?? 0
  const disk = `${sandbox.directory}/machines/${machine.id}`
  expect(readdirSync(disk)).not.toEqual([])
  await sandbox.finished((await sandbox.hcloud('DELETE', `/servers/${machine.id}`)).action)
  expect(() => readdirSync(disk)).toThrow('ENOENT')
  expect(commandLine(pid)).toBe('')
  expect(readdirSync('/sys/class/net')).not.toContain(linkOf(machine))
})
