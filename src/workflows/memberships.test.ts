import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../test/support/certificate.js'
import { fakeSsh, refusal } from '../../test/support/fake-providers.js'
import { clusterHosts } from '../../test/support/lvs/fake-balancers.js'
import { type PushWorld, pushWorld } from '../../test/support/lvs/push-world.js'
import { runPlan, undoPlan } from '../../test/support/run-plan.js'
import type { RunRequest } from '../core/define-schedule.js'
import { fqdnOf } from '../core/names.js'
import { type PlannedStep, planRun } from '../core/plan.js'
import { createRegistry } from '../core/registry.js'
import { jobs } from '../jobs/index.js'
import { workflows } from './index.js'
import { joinsOf, leavesOf, movesOf } from './memberships.js'
import { adopt, resurrect, retire, scaleIn, scaleOut } from './requests.js'

const registry = createRegistry(jobs, workflows)
const plan = ({ workflow, input }: RunRequest) => planRun(registry.workflow(workflow), input)
const POOL = { name: 'web', zone: 'lazarus.test', image: 'debian-12' }
const OFFERS = [{ type: 'cx22', location: 'fsn1' }]
const [ONE, TWO] = ['60.28.208.1', '60.28.208.2']
const fqdn = (node: string) => fqdnOf({ node, pool: 'web', zone: 'lazarus.test' })
const node = (name: string, incarnation = 1, adopted = false) => ({
  ...{ name, pool: 'web', zone: 'lazarus.test', incarnation, adopted, fqdn: fqdn(name) },
})
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()
/** Certificates that belong to their key: made once a name, since making one starts a program. */
const issued = new Map<string, string>()

let push: PushWorld
/** What agents do while a step waits; time passes. */
const meanwhile = (step: PlannedStep) => {
  const { nodes, clock } = push.world
  if (step.job.name === 'node.register') nodes.change(step.target, { lastBeatAt: '2026-01-01T00:00:00.000Z' })
  if (step.job.name === 'config.push')
    nodes.change(step.target, { configVersion: nodes.rows.get(step.target)?.desiredVersion ?? null })
  clock.time = new Date(clock.time.getTime() + 30_000)
}
const run = async (request: RunRequest) => runPlan(plan(request), push.world, meanwhile)
const book = () => push.world.clusters
const newest = async () => {
  const document = await book().get('inner')
  if (!document) throw new Error('there is no cluster')
  return document
}
const behind = async (vip: string) =>
  (await newest()).cluster.vip2ws.find(each => each.vip === vip)?.wss ?? []
/** The hosts of a service as a balancer's programs have read them. */
const served = (lb: string, vip: string) => {
  const { running, revisions } = push.at(lb)
  const text = revisions.get(running ?? '')?.get(`keepalived/${vip}.conf`) ?? ''
  return [...new Set([...text.matchAll(/real_server (\S+)/g)].map(match => match[1]))]
}
const scaledOut = async (names: readonly string[], vips: readonly string[] = [ONE]) =>
  scaleOut(
    POOL,
    names,
    OFFERS,
    await joinsOf(book(), vips, names.map(fqdn), `join-${names[0]}-${names.length}`),
  )

beforeEach(async () => {
  push = pushWorld(2)
  const { world } = push
  const { exec, put } = world.ssh
  const machines = fakeSsh()
  const balancers = new Set(push.cluster.lbinfos.map(lb => lb.internalip))
  world.ssh.exec = (host, argv, ...rest) =>
    balancers.has(host.address) ? exec(host, argv, ...rest) : machines.exec(host, argv)
  world.ssh.put = (host, files) =>
    balancers.has(host.address) ? put(host, files) : machines.put(host, files)
  const { issue } = world.certificates
  world.certificates.issue = async order => {
    const name = order.names[0] ?? ''
    if (!issued.has(name)) issued.set(name, selfSigned(name, key))
    return { ...(await issue(order)), chain: issued.get(name) ?? '' }
  }
  world.vault.getOrCreate = async (name, make) => {
    const secret = world.vault.secrets.get(name) ?? (name.startsWith('certificate/') ? key : await make())
    world.vault.secrets.set(name, secret)
    return secret
  }
  // Nodes are where our books say, as the resolver of the control plane has it.
  world.resolver.addresses = async names =>
    new Map(
      names.map(name => {
        const row = [...world.nodes.rows.values()].find(each => each.fqdn === name)
        return [name, row?.ipv4 ?? world.resolver.hosts.get(name) ?? null]
      }),
    )
  await push.write('c1', { ...push.cluster, policy: 'rolling' })
  expect((await push.sync('c1', 'rolling')).failed).toBeNull()
})

describe('S4-2: scale-out of a pool behind VIPs', () => {
  test('new machines join when all of them serve, as steps of the same run', async () => {
    const request = await scaledOut(['web-1', 'web-2'], [ONE, TWO])
    expect(request.claims).toEqual(['web-1', 'web-2'])
    const { steps } = plan(request)
    const edit = steps.find(step => step.path === 'joins.inner.edit')
    expect(edit?.after).toEqual(['nodes.web-1.push', 'nodes.web-2.push'])
    expect((await run(request)).failed).toBeNull()
    expect(await behind(ONE)).toEqual(['apps-1.hy01', fqdn('web-1'), fqdn('web-2')])
    const addresses = ['web-1', 'web-2'].map(name => push.world.nodes.rows.get(name)?.ipv4)
    for (const lb of ['lb1.hy01', 'lb2.hy01'])
      expect(served(lb, TWO)).toEqual([clusterHosts().get('apps-2.hy01'), ...addresses])
    expect((await newest()).note).toBe('hosts join')
  })

  test('under a hash, joining has clients land on other hosts: that is what a pool behind such a VIP is for', async () => {
    const { cluster } = await newest()
    const vip2ws = cluster.vip2ws.map(vip => ({ ...vip, scheduler: 'mh' as const }))
    await push.write('c2', { ...cluster, vip2ws })
    await push.sync('c2', 'rolling', { confirm: 'vip-withdrawal' })
    expect((await run(await scaledOut(['web-1']))).failed).toBeNull()
    expect(await behind(ONE)).toContain(fqdn('web-1'))
  })

  test('a pool that stands behind none has the plan that it always had', async () => {
    const request = await scaledOut(['web-1'], [])
    expect(request.input).not.toHaveProperty('joins')
    expect(plan(request).steps).toHaveLength(10)
    expect(plan(request).steps.at(-1)?.path).toBe('nodes.web-1.push')
    const leaving = scaleIn('web', [node('web-1')], 5, await leavesOf(book(), [fqdn('web-1')], 'leave-r1'))
    expect(leaving.input).toEqual({
      pool: 'web',
      nodes: [{ node: 'web-1', pool: 'web', zone: 'lazarus.test', incarnation: 1, patience: 5 }],
      adopted: [],
    })
    expect(
      plan(leaving)
        .steps.filter(step => step.after.length === 0)
        .map(step => step.path),
    ).toEqual(['nodes.web-1.drain', 'nodes.web-1.dns'])
  })

  test('S4-3: what others wrote meanwhile goes along only when it does no harm', async () => {
    const request = await scaledOut(['web-1'])
    const { cluster } = await newest()
    await push.write('c2', { ...cluster, vip2ws: cluster.vip2ws.slice(0, 1) })
    const { failed } = await run(request)
    expect(failed).toMatchObject({ path: 'joins.inner.sync.validate', error: { code: 'needs-confirm' } })
    expect(push.world.nodes.rows.get('web-1')?.state).toBe('ready')
    expect(served('lb1.hy01', TWO)).toEqual([clusterHosts().get('apps-2.hy01')])
  })

  test('S4-4: of two that join at once, one does for both', async () => {
    const [first, second] = [await scaledOut(['web-1']), await scaledOut(['web-2'])]
    const { steps, groups } = plan(first)
    const raised = steps.findIndex(step => step.path === 'joins.inner.edit') + 1
    expect(
      (await runPlan({ steps: steps.slice(0, raised), groups }, push.world, meanwhile)).failed,
    ).toBeNull()
    expect((await run(second)).failed).toBeNull()
    const [join] = (first.input as { joins: unknown[] }).joins
    const rest = planRun(registry.workflow('cluster.change'), join)
    expect((await runPlan(rest, push.world, meanwhile)).failed).toBeNull()
    expect(await behind(ONE)).toEqual(['apps-1.hy01', fqdn('web-1'), fqdn('web-2')])
    for (const lb of ['lb1.hy01', 'lb2.hy01']) {
      expect(served(lb, ONE)).toHaveLength(3)
      expect(push.record(lb)).toMatchObject({ goodVersion: 3, error: null })
    }
  })

  test('taken back, the new hosts are out of the cluster again, and somebody is told to sync it', async () => {
    const { started } = await run(await scaledOut(['web-1']))
    expect(await behind(ONE)).toEqual(['apps-1.hy01', fqdn('web-1')])
    const undone = await undoPlan(started, push.world)
    expect(undone.filter(step => !step.includes('.sync.'))[0]).toBe('undo.joins.inner.edit')
    expect(await behind(ONE)).toEqual(['apps-1.hy01'])
    expect(push.world.nodes.rows.size).toBe(0)
    expect(push.world.notices.told).toContain('cluster-undone/inner/join-web-1-1')
    expect((await newest()).note).toBe('taken back: hosts join')
  })

  test('adopting joins as well', async () => {
    const joins = await joinsOf(book(), [ONE], [fqdn('web-7')], 'join-web-7-1')
    const place = { node: 'web-7', pool: 'web', zone: 'lazarus.test' }
    const request = adopt({ ...place, address: '198.18.9.9', hostKey: null }, joins)
    expect((await run(request)).failed).toBeNull()
    expect(served('lb2.hy01', ONE)).toEqual([clusterHosts().get('apps-1.hy01'), '198.18.9.9'])
  })
})

describe('S4-2: nodes behind VIPs that go', () => {
  beforeEach(async () => {
    expect((await run(await scaledOut(['web-1', 'web-2'], [ONE, TWO]))).failed).toBeNull()
  })

  test('leave the balancers before anything else happens to them', async () => {
    const leaves = await leavesOf(book(), [fqdn('web-1'), fqdn('web-2')], 'leave-r1')
    const request = scaleIn('web', [node('web-1'), node('web-2')], undefined, leaves)
    const { steps } = plan(request)
    expect(steps.find(step => step.path === 'leaves.inner.remove.inner.edit')?.after).toEqual(
      ['lb1.hy01', 'lb2.hy01'].map(lb => `leaves.inner.balancers.${lb}.wait`),
    )
    for (const path of ['nodes.web-1.drain', 'nodes.web-2.dns'])
      expect(steps.find(step => step.path === path)?.after).toEqual(['leaves.inner.remove.inner.sync.settle'])
    expect((await run(request)).failed).toBeNull()
    expect(await behind(ONE)).toEqual(['apps-1.hy01'])
    expect(served('lb1.hy01', TWO)).toEqual([clusterHosts().get('apps-2.hy01')])
    expect(push.world.nodes.rows.size).toBe(0)
  })

  test('taken back before the machine is gone, they stand in the cluster again', async () => {
    push.world.fail('nodes.deregister', 'before', refusal('broken', false))
    const leaves = await leavesOf(book(), [fqdn('web-1')], 'leave-r1')
    const { failed, started } = await run(retire(node('web-1'), 0, leaves))
    expect(failed).toMatchObject({ path: 'deregister' })
    expect(served('lb1.hy01', ONE)).toHaveLength(2)
    await undoPlan(started, push.world)
    expect(await behind(ONE)).toEqual(['apps-1.hy01', fqdn('web-2'), fqdn('web-1')])
    expect(push.world.nodes.rows.get('web-1')?.state).toBe('ready')
  })

  test('one by one, too', async () => {
    const leaves = await leavesOf(book(), [fqdn('web-1')], 'leave-r1')
    expect((await run(retire(node('web-1'), 0, leaves))).failed).toBeNull()
    expect(await behind(TWO)).toEqual(['apps-2.hy01', fqdn('web-2')])
    expect([...push.world.nodes.rows.keys()]).toEqual(['web-2'])
  })

  test('a new machine under the same name is told to the balancers when it serves', async () => {
    const before = push.world.nodes.rows.get('web-1')?.ipv4
    push.world.nodes.change('web-1', { state: 'dead' })
    const moves = await movesOf(book(), await book().all(), fqdn('web-1'), 'move-r1')
    const request = resurrect(node('web-1'), 'debian-12', OFFERS, moves)
    const { steps } = plan(request)
    expect(steps.find(step => step.path === 'moves.inner.edit')?.after).toEqual(['raise.push'])
    expect((await run(request)).failed).toBeNull()
    const now = push.world.nodes.rows.get('web-1')?.ipv4
    expect(now).not.toBe(before)
    expect(served('lb1.hy01', ONE)).toContain(now)
    expect(served('lb1.hy01', ONE)).not.toContain(before)
    expect(await behind(ONE)).toEqual(['apps-1.hy01', fqdn('web-1'), fqdn('web-2')])
  })

  test('what others write while it is raised is not taken for agreed', async () => {
    push.world.nodes.change('web-1', { state: 'dead' })
    const moves = await movesOf(book(), await book().all(), fqdn('web-1'), 'move-r1')
    expect(moves).toMatchObject([{ confirm: 'vip-withdrawal', agreedVips: [ONE, TWO] }])
    const { cluster } = await newest()
    await push.write('c9', { ...cluster, vip2ws: cluster.vip2ws.slice(0, 1) })
    const { failed } = await run(resurrect(node('web-1'), 'debian-12', OFFERS, moves))
    expect(failed).toMatchObject({ path: 'moves.inner.sync.validate', error: { code: 'needs-confirm' } })
    expect(served('lb1.hy01', TWO)).not.toEqual([])
  })

  test('the only host of a VIP that died may come back elsewhere: the VIP is down already', async () => {
    const leaves = await leavesOf(book(), [fqdn('web-2'), 'apps-1.hy01', 'apps-2.hy01'], 'leave-r1')
    expect(leaves).toHaveLength(1)
    const [leave] = leaves
    if (!leave) throw new Error('nothing leaves')
    expect(
      (await runPlan(planRun(registry.workflow('ws.drain'), leave), push.world, meanwhile)).failed,
    ).toBeNull()
    expect(await behind(ONE)).toEqual([fqdn('web-1')])
    const [move] = await movesOf(book(), await book().all(), fqdn('web-1'), 'move-r1')
    expect(move).toMatchObject({ confirm: 'vip-withdrawal', change: 'move-r1' })
    const { cluster } = await newest()
    await push.write('c9', { ...cluster, vip2ws: cluster.vip2ws.slice(0, 1) })
    const [later] = await movesOf(book(), await book().all(), fqdn('web-1'), 'move-r1')
    expect(later).toMatchObject({ confirm: 'rs-flap' })
  })
})
