import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { beforeEach, expect, test } from 'vitest'
import { ADMIN } from '../../test/support/api.js'
import { lazarus } from '../../test/support/cli.js'
import { lvsApi } from '../../test/support/lvs/api.js'
import { exampleCluster } from '../../test/support/lvs/example.js'
import { startRedis } from '../../test/support/redis.js'
import { tempDir } from '../../test/support/temp.js'
import { clusterOfHash, hashOfCluster } from '../render/lvs/origin-import.js'

const api = await lvsApi()
const file = join(tempDir(), 'cluster.json')
const { name } = exampleCluster()
const LB = 'sa-extlbtest0-bgp0.hy01'
const APPS = 'apps-extngtest0-bgp0.hy01'
const SEARCH = 'search-extngtest0-bgp0.hy01'
const run = (...argv: string[]) => lazarus(['lvs', ...argv], { LAZARUS_URL: api.url, LAZARUS_TOKEN: ADMIN })
/** The answer of a command that must succeed. */
const ok = async (...argv: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...argv)
  expect([code, code === 0 ? '' : stderr]).toEqual([0, ''])
  return stdout
}

beforeEach(async () => {
  await api.reset()
  writeFileSync(file, JSON.stringify(exampleCluster()))
})

/** As if a push had brought the newest version to the balancer, and it had proved itself. */
async function settle(): Promise<void> {
  const { clusters } = api.deps.ports
  const document = await clusters.get(name)
  if (!document) throw new Error('no cluster')
  const { version } = document
  await clusters.rendered(name, version, `r${version}`)
  const facts = { revision: `r${version}`, good: `r${version}`, version, goodVersion: version }
  await clusters.note(LB, facts)
  await api.db.run.deleteMany()
}

test('S4-4: a cluster is made, changed, looked at, rolled back and deleted', async () => {
  expect(await ok('create', file, '--dry-run')).toMatch(
    /safe +vip 60\.28\.208\.1 +added[\s\S]*Nothing has been done/,
  )
  expect(await ok()).toContain('no clusters yet')
  expect(await ok('create', file)).toMatch(
    /added successfully; run r\w+, follow it with: lazarus runs watch r/,
  )
  await settle()
  expect(JSON.parse(await ok('show', name))).toEqual(exampleCluster())
  expect([await ok('vips'), await ok('lbs')]).toEqual(['60.28.208.1\n60.28.208.2\n', `${LB}\n`])

  expect(await ok('policy', name, 'rolling')).toContain('rolling')
  const refused = await run('remove-vip', name, '60.28.208.2')
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('--confirm vip-withdrawal')])
  expect(await ok('vips')).toContain('60.28.208.2')
  await ok('remove-vip', name, '60.28.208.2', '--confirm', 'vip-withdrawal')
  expect(api.engine.started.at(-1)?.input).toMatchObject({ confirm: 'vip-withdrawal', reloads: true })

  expect(await ok('diff', name)).toMatch(/vip-withdrawal +vip 60\.28\.208\.2 +removed/)
  expect(await ok('diff', name, '--from', '3', '--to', '3')).toContain('no difference')
  expect(await ok('render', name, LB)).toMatch(/==> keepalived\/keepalived\.conf\n[\s\S]*md5 redacted-key/)
  expect(await ok('revisions', name)).toMatch(new RegExp(`1 .*admin +r1 +${LB.replaceAll('.', '\\.')}`))
  expect(await ok('state', name)).toMatch(/sa-extlbtest0-bgp0\.hy01 +unseen +1 +1 /)
  expect(await ok('rollback', name, '--to', '1')).toMatch(/version 4 has been written; run r/)
  expect(await ok('vips')).toContain('60.28.208.2')
  expect(await ok('sync', name, '--policy', 'manual')).toContain('synced successfully')
  expect(await ok('revert', name, LB)).toContain('lazarus runs watch')
  expect(await ok('drain', name, '--lb', LB, '--dry-run')).toMatch(/lb\.drain[\s\S]*Nothing has been done/)
  expect(
    await ok('drain', name, '--vip', '60.28.208.2', '--remove', '--confirm', 'vip-withdrawal'),
  ).toContain('lazarus runs watch')
  expect(await ok('undrain', name, '--lb', LB)).toContain('lazarus runs watch')
  await api.db.run.deleteMany()
  await ok('delete', name)
  expect(await ok()).toContain('no clusters yet')
})

test.each<[string, string[], (cluster: ReturnType<typeof exampleCluster>) => unknown, unknown]>([
  [
    'a VIP',
    ['add-vip', name, '60.28.208.9', '--wstype', 'web', '--ws', APPS, '--port', '80:8080'],
    cluster => cluster.vip2ws[2],
    { vip: '60.28.208.9', wstype: 'web', wss: [APPS], ports: [{ sport: 80, dport: 8080 }] },
  ],
  ['a host', ['add-ws', name, '60.28.208.1', SEARCH], cluster => cluster.vip2ws[0]?.wss, [APPS, SEARCH]],
  [
    'a port',
    ['set-port', name, '60.28.208.1', '443', '--check', 'tcp', '--no-synproxy'],
    cluster => cluster.vip2ws[0]?.ports?.[1],
    { sport: 443, dport: 443, synproxy: 0, persistence_timeout: 50, check: 'tcp' },
  ],
  ['a business', ['set-wstype', name, '60.28.208.1', 'video'], cluster => cluster.vip2ws[0]?.wstype, 'video'],
])('S4-4: %s is changed, without a push when that is asked for', async (_, argv, look, wanted) => {
  await ok('create', file, '--no-push')
  await ok(...argv, '--no-push')
  expect(api.engine.started).toEqual([])
  expect(look(JSON.parse(await ok('show', name)))).toEqual(wanted)
})

test('S4-1: everything that is wrong with a cluster is said, and nothing is written', async () => {
  const [first, ...vips] = exampleCluster().vip2ws
  const wrong = { ...exampleCluster(), vip2ws: [{ ...first, vip: '10.1.2.3', wss: ['no-such'] }, ...vips] }
  writeFileSync(file, JSON.stringify(wrong))
  const { code, stderr } = await run('create', file)
  expect(code).toBe(4)
  expect(stderr).toContain('vip2ws.0.vip: lies in none of the vipnets')
  expect(stderr).toContain('vip2ws.0.wss.0: no-such does not resolve')
  expect(await ok()).toContain('no clusters yet')
})

test('a cluster that is not there is refused, whatever is asked', async () => {
  for (const argv of [['show'], ['state'], ['delete'], ['sync'], ['policy', 'rolling'], ['revisions']]) {
    const [command = '', ...rest] = argv
    const { code, stderr } = await run(command, 'none', ...rest)
    expect([command, code, stderr]).toEqual([command, 4, expect.stringMatching(/no cluster/i)])
  }
})

test('S4-6: clusters of the original come in by its Redis, and go out as it keeps them', async () => {
  const origin = await startRedis()
  const redis = new Redis(origin.url)
  await redis.hset(`cluster:${name}`, hashOfCluster(exampleCluster()))
  redis.disconnect()
  try {
    expect(await ok('import', origin.url, '--dry-run')).toContain('would be added')
    expect(await ok()).toContain('no clusters yet')
    expect(await ok('import', origin.url)).toMatch(new RegExp(`${name} +added`))
    expect(await ok('import', origin.url)).toContain('is there already')
  } finally {
    await origin.stop()
  }
  expect(JSON.parse(await ok('show', name))).toEqual(exampleCluster())
  const { hashes } = JSON.parse(await ok('export', '--python'))
  expect(clusterOfHash(name, hashes[name])).toEqual({ cluster: exampleCluster(), ignored: [] })
  writeFileSync(file, await ok('export'))
  expect(await ok('import', file)).toContain('is there already')
  const gone = await run('import', origin.url)
  expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining('ECONNREFUSED')])
})
