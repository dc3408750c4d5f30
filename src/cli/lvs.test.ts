import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { lazarus } from '../../test/support/cli.js'
import { type Answer, type Seen, startFakeHttp } from '../../test/support/fake-http.js'
import { exampleCluster } from '../../test/support/lvs/example.js'
import { tempDir } from '../../test/support/temp.js'
import { clusterState } from '../render/lvs/state.js'

const file = join(tempDir(), 'cluster.json')
const VIP = '60.28.208.1'
const gone = { path: `vip ${VIP}`, what: 'removed', label: 'vip-withdrawal' }
const added = { path: `vip ${VIP}`, what: 'ws c (10.0.0.3) added', label: 'safe' }
const preview = (policy: string, ...changes: (typeof gone)[]) => ({
  ...{ dryRun: true, changes },
  reload: { policy, changes, worst: changes.some(each => each === gone) ? 'vip-withdrawal' : 'safe' },
})
const done = { status: 'success', message: 'vip has been deleted successfully', run: 'r1', version: 4 }

/** An API that answers `looks` to dry runs and `done` to everything else. */
async function api(look: object, answers: Record<string, Answer> = {}) {
  const server = await startFakeHttp(
    ({ method, path }: Seen) =>
      answers[`${method} ${path}`] ?? { json: path.endsWith('?dryRun=true') ? look : done },
  )
  const run = (...argv: string[]) => lazarus(['lvs', ...argv], { LAZARUS_URL: server.url })
  return { ...server, run }
}

describe('S4-4: a change says what it does before it is made', () => {
  test('a cluster that is reloaded is not changed beyond what was agreed to', async () => {
    const { run, seen } = await api(preview('rolling', gone, added))
    const refused = await run('remove-vip', 'hy', VIP)
    expect(refused.code).toBe(4)
    expect(refused.stdout).toBe('')
    expect(refused.stderr).toContain(`vip-withdrawal  vip ${VIP}  removed`)
    expect(refused.stderr).toContain('add: --confirm vip-withdrawal')
    expect(seen.map(each => each.path)).toEqual(['/api/v1/lvs/hy/vips?dryRun=true'])
  })

  test.each([
    ['agreed to', preview('rolling', gone), ['--confirm', 'vip-withdrawal']],
    ['harmless', preview('canary', added), []],
    ['not reloaded', preview('manual', gone), []],
    ['not pushed', preview('rolling', gone), ['--no-push']],
  ])('one that is %s is made, and its run named', async (_, look, options) => {
    const { run, seen } = await api(look)
    expect(await run('remove-vip', 'hy', VIP, ...options)).toMatchObject({
      ...{ code: 0, stdout: expect.stringContaining('lazarus runs watch r1') },
    })
    expect(seen).toHaveLength(2)
    expect(seen[1]).toMatchObject({ method: 'DELETE', path: '/api/v1/lvs/hy/vips', body: { vips: [VIP] } })
  })

  test('a dry run sends no second request', async () => {
    const { run, seen } = await api(preview('rolling', gone))
    const { code, stdout } = await run('remove-vip', 'hy', VIP, '--dry-run')
    expect([code, stdout]).toEqual([0, expect.stringContaining('Nothing has been done.')])
    expect(seen).toHaveLength(1)
  })

  test('where the balancers are behind, both differences are shown', async () => {
    const look = { ...preview('manual', added), changes: [{ ...added, what: 'ws d (10.0.0.4) added' }] }
    const { run } = await api(look)
    const { stdout } = await run('add-ws', 'hy', VIP, 'd', '--dry-run')
    expect(stdout).toMatch(/in the cluster:\n.*ws d[\s\S]*for the balancers[\s\S]*ws c[\s\S]*policy manual/)
  })

  test('with --json there is one document', async () => {
    const { run } = await api(preview('rolling', gone))
    const refused = await run('remove-vip', 'hy', VIP, '--json')
    expect(JSON.parse(refused.stdout).error.code).toBe('needs-confirm')
    const made = await run('remove-vip', 'hy', VIP, '--json', '--confirm', 'vip-withdrawal')
    expect(JSON.parse(made.stdout)).toEqual(done)
  })

  test('a label that there is not is a mistake', async () => {
    const { run, seen } = await api({})
    expect((await run('sync', 'hy', '--confirm', 'all')).code).toBe(2)
    expect(seen).toEqual([])
  })
})

describe('what is asked for', () => {
  test.each<[string[], string, object]>([
    [
      [
        'add-vip',
        'hy',
        VIP,
        '--wstype',
        'apps',
        '--ws',
        'a',
        '--ws',
        'b',
        '--port',
        '80',
        '--port',
        '443:8443',
      ],
      'POST /vips',
      {
        vip2ws: [
          {
            ...{ vip: VIP, wstype: 'apps', wss: ['a', 'b'] },
            ports: [
              { sport: 80, dport: 80 },
              { sport: 443, dport: 8443 },
            ],
          },
        ],
      },
    ],
    [['set-wstype', 'hy', VIP, 'search'], 'PATCH /wstype', { vip: VIP, wstype: 'search' }],
    [['remove-lb', 'hy', 'lb-1', 'lb-2'], 'DELETE /lbs', { lbs: ['lb-1', 'lb-2'] }],
    [['add-ws', 'hy', VIP, 'a', 'b'], 'POST /wss', { vip2ws: [{ vip: VIP, wss: ['a', 'b'] }] }],
    [['remove-ws', 'hy', VIP, 'a'], 'DELETE /wss', { vip2ws: [{ vip: VIP, wss: ['a'] }] }],
    [
      ['add-port', 'hy', VIP, '8080', '53/udp'],
      'POST /ports',
      {
        ...{ vip: VIP },
        ports: [
          { sport: 8080, dport: 8080 },
          { sport: 53, dport: 53, protocol: 'udp' },
        ],
      },
    ],
    [['remove-port', 'hy', VIP, '80', '443'], 'DELETE /ports', { vip: VIP, sports: [80, 443] }],
    [
      ['set-port', 'hy', VIP, '80', '--dport', '8080', '--no-synproxy', '--persistence', '0'],
      'PATCH /ports',
      { vip: VIP, sport: 80, port: { dport: 8080, synproxy: 0, persistence_timeout: 0 } },
    ],
  ])('%j', async (argv, request, body) => {
    const { run, seen } = await api(preview('manual'))
    expect(await run(...argv)).toMatchObject({ code: 0 })
    expect(`${seen[1]?.method} ${seen[1]?.path.replace('/api/v1/lvs/hy', '')}`).toBe(request)
    expect(seen[1]?.body).toEqual(body)
  })

  test('sync and rollback say the way, once', async () => {
    const { run, seen } = await api(preview('rolling', gone))
    const consent = ['--confirm', 'vip-withdrawal', '--watch', '5', '--force']
    await run('sync', 'hy', '--policy', 'canary', ...consent)
    await run('rollback', 'hy', '--to', '3', ...consent)
    expect(seen.filter(each => !each.path.includes('dryRun')).map(each => [each.path, each.body])).toEqual([
      [
        '/api/v1/lvs/sync',
        { name: 'hy', policy: 'canary', confirm: 'vip-withdrawal', watch: 5, force: true },
      ],
      ['/api/v1/lvs/hy/rollback', { version: 3, confirm: 'vip-withdrawal', watch: 5, force: true }],
    ])
  })

  test.each([
    ['drain', 'hy'],
    ['drain', 'hy', '--ws', 'a', '--vip', VIP],
    ['undrain', 'hy'],
    ['set-port', 'hy', VIP, '80'],
    ['add-port', 'hy', VIP, '80-90'],
    ['remove-port', 'hy', VIP, 'all'],
    ['policy', 'hy', 'never'],
    ['create', '/nonexistent.json'],
  ])('%s %s %s %s is a mistake in the command', async (...argv) => {
    const { run, seen } = await api({})
    expect((await run(...argv.filter(word => word !== undefined))).code).toBe(2)
    expect(seen).toEqual([])
  })

  test('drains say what, and a dry run its steps', async () => {
    const step = { job: 'lb.quiesce', target: 'lb-1', summary: 'Has hosts take no new connections.' }
    const path = '/api/v1/lvs/hy/drain'
    const { run, seen } = await api(
      {},
      {
        [`POST ${path}?dryRun=true`]: { json: { dryRun: true, steps: [step] } },
        [`POST ${path}`]: { status: 202, json: { run: 'r2' } },
        'POST /api/v1/lvs/hy/undrain': { status: 202, json: { run: 'r3' } },
      },
    )
    expect((await run('drain', 'hy', '--ws', 'a', '--dry-run')).stdout).toContain('lb.quiesce')
    const drained = await run('drain', 'hy', '--ws', 'a', '--remove', '--patience', '9')
    expect(drained.stdout).toContain('lazarus runs watch r2')
    expect((await run('undrain', 'hy', '--lb', 'lb-1')).code).toBe(0)
    expect(seen.slice(1).map(each => each.body)).toEqual([
      { ws: 'a', remove: true, patience: 9 },
      { lb: 'lb-1' },
    ])
  })

  test('the key of OSPF comes from standard input, and is shown nowhere', async () => {
    const stdin = vi.spyOn(process, 'stdin', 'get')
    stdin.mockImplementation(() => Readable.from(['secret-key-1\n']) as never)
    const { run, seen } = await api(preview('rolling', gone))
    const refused = await run('ospf-key', 'hy')
    const set = await run('ospf-key', 'hy', '--confirm', 'vip-withdrawal')
    stdin.mockRestore()
    expect([refused.code, set.code]).toEqual([4, 0])
    expect(seen.at(-1)).toMatchObject({ method: 'PUT', body: { key: 'secret-key-1' } })
    expect(JSON.stringify([refused, set, seen.map(each => each.path)])).not.toContain('secret-key')
    expect((await run('ospf-key', 'hy', 'secret-key-1')).code).toBe(2)
  })

  test('create and add-lb read files', async () => {
    const { run, seen } = await api(preview('manual'))
    writeFileSync(file, JSON.stringify(exampleCluster()))
    await run('create', file)
    writeFileSync(file, JSON.stringify(exampleCluster().lbinfos[0]))
    await run('add-lb', 'hy', file)
    expect(seen.filter(each => !each.path.includes('dryRun')).map(each => each.body)).toEqual([
      exampleCluster(),
      { lbinfos: exampleCluster().lbinfos },
    ])
  })
})

describe('what is shown', () => {
  test('S4-4: the state of a cluster, with what is missing', async () => {
    const cluster = exampleCluster()
    const document = { cluster, version: 3, change: 'c', hosts: new Map(), revision: null }
    const state = clusterState({ ...document, actor: '', note: '', createdAt: '' }, [])
    const { run } = await api({}, { 'GET /api/v1/lvs/hy/state': { json: state } })
    const { stdout } = await run('state', 'hy', '--hosts')
    expect(stdout).toMatch(/sa-extlbtest0-bgp0\.hy01 +unseen +- +- +0 +0\/2/)
    expect(stdout).toMatch(/60\.28\.208\.1 +443 +apps +0\/1 +0\/1 +0\/1/)
    expect(stdout).toMatch(/apps-extngtest0-bgp0\.hy01/)
    expect(stdout).toContain('sa-extlbtest0-bgp0.hy01  was never seen')
  })

  test('clusters, and one as it was written', async () => {
    const cluster = exampleCluster()
    const { run } = await api(
      {},
      {
        'GET /api/v1/lvs': { json: { status: 'success', message: [cluster] } },
        'GET /api/v1/lvs/hy': { json: { status: 'success', message: cluster } },
      },
    )
    expect((await run()).stdout).toMatch(/hy-outer-global-proxy-test +extra +manual +2 +1/)
    expect(JSON.parse((await run('show', 'hy')).stdout)).toEqual(cluster)
  })
})
