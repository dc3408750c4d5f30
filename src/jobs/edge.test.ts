import { generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { selfSigned } from '../../test/support/certificate.js'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { HOST_KEY } from '../../test/support/fake-providers.js'
import { proxyIdOf } from '../../test/support/fake-records.js'
import { inWorld } from '../../test/support/run-job.js'
import { certificateDeploy } from './certificate-deploy.js'
import { edgeDeploy } from './edge-deploy.js'
import { edgeRemove } from './edge-remove.js'

const place = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
const fqdn = 'edge-1.edge.lazarus.test'
const host = { address: '198.18.0.1', port: 22, user: 'root', hostKey: HOST_KEY }
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
const chain = selfSigned(fqdn, key)

async function certified() {
  const world = fakeWorld()
  await world.nodes.open({
    name: 'edge-1',
    pool: 'edge',
    zone: 'lazarus.test',
    fqdn,
    incarnation: 1,
    adopted: false,
  })
  world.nodes.change('edge-1', { ssh: host, ipv4: host.address })
  world.vault.secrets.set(`certificate/${fqdn}`, key)
  const dates = { notBefore: null, notAfter: null }
  world.certificateShelf.records.set(fqdn, { name: fqdn, csr: '', orderUrl: null, chain, ...dates })
  return world
}
const text = (world: Awaited<ReturnType<typeof certified>>, path: string) =>
  world.ssh.files.get(`/opt/lazarus/${path}`)?.content

test('S0-5: deploys files, hands them to www-data, then starts nginx, v2ray and Redis', async () => {
  const world = await certified()
  world.ssh.answer('resolv.conf', { stdout: 'nameserver 198.18.0.1\n' })
  await inWorld(edgeDeploy, world).run({ ...place, host })
  expect(text(world, 'tls/cert.pem')).toBe(chain)
  expect(JSON.parse(text(world, 'agent/agent.json') ?? '')).toMatchObject({
    ...{ node: 'edge-1', apiBase: 'http://198.18.0.1:8080' },
  })
  expect(text(world, 'v2ray/config.json')).toContain(proxyIdOf('edge-1'))
  expect(text(world, 'v2ray/config.json')).toContain('"198.18.0.1"')
  expect(world.ssh.commands.at(-2)).toContain('chown -R www-data:www-data agent nginx redis tls v2ray')
  expect(world.ssh.commands.at(-1)).toContain('up -d')
})

test('enrolment token, client id of v2ray and the key are in files for one reader, and nowhere else', async () => {
  const world = await certified()
  const job = inWorld(edgeDeploy, world)
  const output = await job.run({ ...place, host })
  const token = world.nodes.tokens.get('edge-1') ?? 'none'
  expect(world.ssh.files.get('/opt/lazarus/agent/agent.json')).toMatchObject({ mode: 0o600 })
  expect(world.ssh.files.get('/opt/lazarus/v2ray/config.json')).toMatchObject({ mode: 0o600 })
  expect(world.ssh.files.get('/opt/lazarus/tls/key.pem')).toMatchObject({ mode: 0o600, content: key })
  const seen = JSON.stringify([output, job.logged, world.ssh.commands])
  expect(seen).not.toContain(token)
  expect(seen).not.toContain(proxyIdOf('edge-1'))
  expect(seen).not.toContain('PRIVATE KEY')
})

test('a second try restarts what an earlier one started, with the files of now', async () => {
  const world = await certified()
  world.ssh.answer('up -d', { code: 1, stderr: 'pull failed' }, { code: 0 })
  const job = inWorld(edgeDeploy, world)
  await expect(job.run({ ...place, host })).rejects.toMatchObject({
    message: expect.stringContaining('pull failed'),
  })
  await job.run({ ...place, host }, 2)
  expect(world.ssh.commands.at(-1)).toMatch(/docker-compose.yml restart$/)
  expect(text(world, 'agent/agent.json')).toContain(world.nodes.tokens.get('edge-1'))
})

test("Redis's password is made once, random, and is in the files for Redis and agent alone", async () => {
  const world = await certified()
  const job = inWorld(edgeDeploy, world)
  const first = await job.run({ ...place, host })
  const password = world.vault.secrets.get('edge/redis/edge-1') ?? 'none'
  expect(password).toMatch(/^[\w-]{43}$/)
  const files = () => [text(world, 'redis/conf/redis.conf'), text(world, 'agent/redis-password')]
  expect(files()).toEqual([`requirepass ${password}\n`, `${password}\n`])
  const again = await job.run({ ...place, host })
  expect(files()).toEqual([`requirepass ${password}\n`, `${password}\n`])
  expect(JSON.stringify([first, again, job.logged, world.ssh.commands])).not.toContain(password)
  expect(text(world, 'docker-compose.yml')).not.toContain(password)
})

test('without a certificate it ends with the reason', async () => {
  const world = await certified()
  world.certificateShelf.records.clear()
  await expect(inWorld(edgeDeploy, world).run({ ...place, host })).rejects.toMatchObject({
    code: 'no-certificate',
  })
})

test('undo cleans a machine of the operator; ours is destroyed whole and need not answer', async () => {
  const world = await certified()
  const job = inWorld(edgeDeploy, world)
  await job.undo({ ...place, host })
  expect(world.ssh.commands).toEqual([])
  await job.undo({ ...place, host, adopted: true })
  expect(world.ssh.commands.at(-1)).toBe('rm -rf -- /opt/lazarus')
})

test('undo on a machine where nothing arrived stops nothing', async () => {
  const world = await certified()
  world.ssh.answer('test -e', { code: 1 })
  await inWorld(edgeDeploy, world).undo({ ...place, host, adopted: true })
  expect(world.ssh.commands.join()).not.toContain('down')
})

test('removing an edge needs a node that is known and was reached', async () => {
  const world = await certified()
  const job = inWorld(edgeRemove, world)
  await job.run({ node: 'edge-1' })
  expect(world.ssh.commands.join()).toContain('down')
  await job.run({ node: 'edge-9' })
  world.nodes.change('edge-1', { ssh: null })
  await expect(job.run({ node: 'edge-1' })).rejects.toMatchObject({ code: 'no-address' })
})

test('a renewed certificate is put in place and taken up without a restart', async () => {
  const world = await certified()
  await inWorld(certificateDeploy, world).run({ ...place, host })
  expect([...world.ssh.files.keys()]).toEqual(['/opt/lazarus/tls/cert.pem', '/opt/lazarus/tls/key.pem'])
  expect(world.ssh.commands).toEqual([
    'chown -R www-data:www-data /opt/lazarus/tls',
    expect.stringContaining('kill -s HUP edge'),
  ])
})
