import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { selfSigned } from '../../test/support/certificate.js'
import { fakeWorld, type World } from '../../test/support/fake-ports.js'
import { HOST_KEY, refusal } from '../../test/support/fake-providers.js'
import { runPlan, undoPlan } from '../../test/support/run-plan.js'
import type { RunRequest } from '../core/define-schedule.js'
import { type PlannedStep, planRun } from '../core/plan.js'
import { createRegistry } from '../core/registry.js'
import { jobs } from '../jobs/index.js'
import { loadEdgeSources } from '../main/edge-sources.js'
import { workflows } from './index.js'
import { adopt, publish, removeOrphans, renew, resurrect, retire, scaleIn, scaleOut } from './requests.js'

const registry = createRegistry(jobs, workflows)
const plan = ({ workflow, input }: RunRequest) => planRun(registry.workflow(workflow), input)
const POOL = { name: 'edge', zone: 'lazarus.test', image: 'debian-12' }
const OFFERS = [{ type: 'cx22', location: 'fsn1' }]
const fqdn = (node: string) => `${node}.edge.lazarus.test`
const node = (name: string, incarnation = 1, adopted = false) => ({
  ...{ name, pool: 'edge', zone: 'lazarus.test', incarnation, adopted },
})

/** Certificates that belong to their key: made once a name, since making one starts a program. */
const issued = new Map<string, string>()
const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString()

let world: World
/** What agents do: beat after the edge was started, and apply what is published. */
const agents = (step: PlannedStep) => {
  if (step.job.name === 'node.register')
    world.nodes.change(step.target, { lastBeatAt: '2026-01-01T00:00:00.000Z' })
  if (step.job.name === 'config.push')
    world.nodes.change(step.target, {
      configVersion: world.nodes.rows.get(step.target)?.desiredVersion ?? null,
    })
}
const run = (request: RunRequest) => runPlan(plan(request), world, agents)

beforeEach(() => {
  world = fakeWorld()
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
})

describe('scale-out', () => {
  test('raises nodes that are ready, named and configured', async () => {
    const { failed } = await run(scaleOut(POOL, ['edge-1', 'edge-2'], OFFERS))
    expect(failed).toBeNull()
    expect([...world.compute.machines.keys()]).toEqual(['edge-1.1', 'edge-2.1'])
    expect([...world.dns.records.keys()]).toContain(`${fqdn('edge-2')} AAAA`)
    for (const name of ['edge-1', 'edge-2'])
      expect(world.nodes.rows.get(name)).toMatchObject({ state: 'ready', configVersion: expect.any(String) })
  })

  test('does at once what does not depend on each other', () => {
    const { steps } = plan(scaleOut(POOL, ['edge-1'], OFFERS))
    const after = Object.fromEntries(steps.map(step => [step.path.split('.').at(-1), step.after]))
    expect(after.certificate).toEqual(['nodes.edge-1.create'])
    expect(after.buy).toEqual(['nodes.edge-1.create'])
    expect(after.dns).toEqual(['nodes.edge-1.buy'])
    expect(after.ssh).toEqual(['nodes.edge-1.buy'])
  })

  test('wherever it fails, taking it back leaves nothing behind', async () => {
    const calls = [
      ...['nodes.open', 'certificates.issue', 'compute.create', 'dns.set', 'ssh.put', 'configs.store'],
    ]
    for (const call of calls) {
      world.fail(call, 'after', refusal('broken', false))
      const { failed, started } = await run(scaleOut(POOL, ['edge-1'], OFFERS))
      expect(failed?.error, call).toMatchObject({ code: 'broken' })
      await undoPlan(started, world)
      expect([world.compute.machines.size, world.dns.records.size, world.nodes.rows.size], call).toEqual([
        0, 0, 0,
      ])
    }
  })

  test('no secret is in any input, key or output', async () => {
    const { started } = await run(scaleOut(POOL, ['edge-1'], OFFERS))
    const seen = JSON.stringify(started.map(({ path, key: lock, input }) => [path, lock, input]))
    expect(seen).not.toContain('PRIVATE')
    expect(seen).not.toContain(world.nodes.tokens.get('edge-1'))
    expect(seen).toContain('ssh-ed25519')
  })
})

describe('taking nodes out', () => {
  test('scale-in removes machine, name and row, and gives an adopted machine back clean', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    await run(
      adopt({ node: 'edge-2', pool: 'edge', zone: 'lazarus.test', address: '198.18.9.9', hostKey: null }),
    )
    expect(world.nodes.rows.get('edge-2')).toMatchObject({ state: 'ready', adopted: true, machine: null })
    const request = scaleIn('edge', [node('edge-1'), node('edge-2', 1, true)])
    expect(request.claims).toEqual(['edge-1', 'edge-2'])
    expect((await run(request)).failed).toBeNull()
    expect([world.compute.machines.size, world.dns.records.size, world.nodes.rows.size]).toEqual([0, 0, 0])
    expect(world.ssh.commands.at(-1)).toBe('rm -rf -- /opt/lazarus')
  })

  test('taken back before the machine is gone, the node is on the list and in the DNS again', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    world.fail('nodes.deregister', 'before', refusal('broken', false))
    const { started } = await run(retire(node('edge-1')))
    expect(world.dns.records.size).toBe(0)
    await undoPlan(started, world)
    expect(world.nodes.rows.get('edge-1')?.state).toBe('ready')
    expect(world.dns.records.size).toBe(2)
  })
})

describe('resurrect', () => {
  test('replaces the machine under the same name and asks the issuer nothing', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    world.nodes.change('edge-1', { state: 'dead' })
    expect((await run(resurrect(node('edge-1'), 'debian-12', OFFERS))).failed).toBeNull()
    expect([...world.compute.machines.keys()]).toEqual(['edge-1.2'])
    expect(world.nodes.rows.get('edge-1')).toMatchObject({ state: 'ready', incarnation: 2 })
    expect(world.dns.records.get(`${fqdn('edge-1')} A`)).toEqual(['198.18.0.2'])
    expect(world.certificates.orders).toHaveLength(1)
  })

  test('touches nothing of a node that is ready again, or was replaced, when the run begins', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    const before = structuredClone(world.nodes.rows.get('edge-1'))
    const { failed, started } = await run(resurrect(node('edge-1'), 'debian-12', OFFERS))
    expect(failed).toMatchObject({ path: 'recheck', error: { code: 'node-not-dead' } })
    await undoPlan(started, world)
    expect(world.nodes.rows.get('edge-1')).toEqual(before)
    expect([...world.compute.machines.keys()]).toEqual(['edge-1.1'])

    expect((await run(resurrect(node('edge-1'), 'debian-12', OFFERS, [], true))).failed).toBeNull()
    const late = await run(resurrect(node('edge-1'), 'debian-12', OFFERS, [], true))
    expect(late.failed).toMatchObject({ path: 'recheck', error: { code: 'node-replaced' } })
    expect([...world.compute.machines.keys()]).toEqual(['edge-1.2'])
    expect(world.nodes.rows.get('edge-1')).toMatchObject({ state: 'ready', incarnation: 2 })
  })

  test('taken back, it leaves no machine, no name, and a seat that says what to do', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    world.nodes.change('edge-1', { state: 'dead' })
    world.fail('ssh.put', 'before', refusal('broken', false))
    const { started } = await run(resurrect(node('edge-1'), 'debian-12', OFFERS))
    const undone = await undoPlan(started, world)
    expect(undone.indexOf('undo.raise.buy')).toBeLessThan(undone.indexOf('undo.raise.create'))
    expect([world.compute.machines.size, world.dns.records.size]).toEqual([0, 0])
    expect(world.nodes.rows.get('edge-1')).toMatchObject({ state: 'dead', machine: null })
  })
})

describe('the rest', () => {
  test('a certificate is renewed in its last third and taken up by the node', async () => {
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    world.clock.time = new Date('2026-03-05T00:00:00Z')
    const host = { address: '198.18.0.1', port: 22, user: 'root', hostKey: HOST_KEY }
    expect((await run(renew({ node: 'edge-1', pool: 'edge', zone: 'lazarus.test', host }))).failed).toBeNull()
    expect(world.certificates.orders).toHaveLength(2)
    expect(world.ssh.commands.at(-1)).toContain('HUP')
  })

  test('S1-7: the first revision has the server.conf that the deployment wrote: there is nothing to reload', async () => {
    Object.assign(world.settings, { edgeSources: loadEdgeSources() })
    await run(scaleOut(POOL, ['edge-1'], OFFERS))
    const deployed = world.ssh.files.get('/opt/lazarus/nginx/server.conf')?.content
    expect(deployed).toContain('listen 443')
    const { content = '{}' } = world.configs.stored.at(-1) ?? {}
    expect(JSON.parse(content).serverConf).toBe(deployed)
  })

  test('a change of rules reaches every node without holding any', async () => {
    await run(scaleOut(POOL, ['edge-1', 'edge-2'], OFFERS))
    const before = world.nodes.rows.get('edge-1')?.configVersion
    world.services.answers.rules = { service: 'web', snapshot: 1, rules: { tokens: ['query:t'] } }
    const request = publish(['edge-1', 'edge-2'])
    expect(request.claims).toEqual([])
    expect((await run(request)).failed).toBeNull()
    expect(world.nodes.rows.get('edge-2')?.configVersion).not.toBe(before)
  })

  test('strays are removed by key and record set, each once', async () => {
    const stray = { type: 't', location: 'l', monthlyPrice: 1, currency: 'EUR' }
    const request = removeOrphans({
      machines: [{ key: 'edge-8.1', id: '8', name: 'edge-8', ...stray }],
      states: ['edge-8.1', 'edge-9.1'],
      records: [
        { zone: 'lazarus.test', name: `_acme-challenge.${fqdn('edge-8')}`, type: 'TXT', values: ['x'] },
      ],
      monthlyCost: { EUR: 1 },
    })
    const { done, failed } = await run(request)
    expect(failed).toBeNull()
    expect(done).toHaveLength(3)
  })

  test('a name of the operator that is no DNS label ends before anything starts', () => {
    expect(() => plan(scaleOut({ ...POOL, zone: 'not a zone' }, ['edge-1'], OFFERS))).toThrow('DNS zone')
    expect(() => plan(scaleOut(POOL, [], OFFERS))).toThrow()
  })
})
