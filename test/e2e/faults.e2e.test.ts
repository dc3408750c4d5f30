import { afterEach, beforeAll, expect, test } from 'vitest'
import type { Run } from '../../src/cli/answers.js'
import { exactly, purchases } from '../support/ledger.js'
import { entryOf } from '../support/program.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'

const IMPATIENT = entryOf('test/support/impatient.ts')
let world: World

beforeAll(async () => {
  world = await startWorld()
  await world.up(IMPATIENT)
  await world.pool('edge')
  await world.pool('picky', { types: ['cx22', 'cx32'], locations: ['fsn1', 'nbg1'] })
})

afterEach(async () => {
  await world.sandbox.clearFaults()
  for (const pool of ['edge', 'picky']) {
    const nodes = (await world.nodes()).filter(node => node.pool === pool).map(node => node.name)
    if (nodes.length === 0) continue
    const { run } = await world.ok('POST', `/pools/${pool}/scale-in`, { nodes, patience: 0 })
    await world.succeeded(run)
  }
  expect(await world.ledger()).toEqual(exactly([]))
})

const faults = (...list: object[]) => Promise.all(list.map(fault => world.sandbox.fault(fault)))
/** Whether every fault with a number of times has struck. */
const spent = async () => {
  const answer = await (await fetch(`${world.sandbox.url}/_sandbox/faults`)).json()
  return (answer as { faults: unknown[] }).faults.length === 0
}
const keys = async () => (await world.ledger()).machines
const stepOf = (run: Run, job: string) => run.steps.find(step => step.job === job)
/** The run must succeed once nothing is in its way any more. */
async function retried(run: string): Promise<void> {
  await world.sandbox.clearFaults()
  await world.ok('POST', `/runs/${run}/retry`)
  await world.succeeded(run)
}
const theOnly = async () => (await world.nodes())[0]

test('answers that are lost after the effect: nothing is made twice', async () => {
  await faults(
    { kind: 'answer-lost', method: 'POST', path: '/hcloud/v1/servers' },
    { kind: 'answer-lost', method: 'POST', path: '/dns_records', times: 2 },
    { kind: 'answer-lost', method: 'POST', path: '/acme/finalize-order' },
  )
  await world.succeeded(await world.scaleOut('edge', 2))
  expect(await world.ledger()).toEqual(exactly(await keys()))
  expect(Object.values(await purchases(world.sandbox)).filter(times => times > 1)).toEqual([])
  expect(await spent()).toBe(true)
})

test('429 and 5xx of every provider are waited out', async () => {
  await faults(
    { kind: 'rate-limit', path: '/hcloud', times: 2 },
    { kind: 'rate-limit', path: '/dns_records', times: 2 },
    { kind: 'server-error', method: 'POST', path: '/servers' },
    { kind: 'server-error', path: '/dns_records', times: 2 },
    { kind: 'server-error', path: '/acme' },
    { kind: 'rate-limit', path: '/acme/' },
  )
  // What the pool may buy is asked when the call is made: that one waits too, or is refused clearly.
  const run = await until(() => world.scaleOut('edge', 1), {
    within: 20_000,
    what: 'the provider to be back',
  })
  await world.succeeded(run)
  expect(await world.ledger()).toEqual(exactly(await keys()))
  expect(await spent()).toBe(true)
})

test('a type that is sold out is replaced by the next in the list', async () => {
  await faults({ kind: 'unavailable', type: 'cx22' })
  await world.succeeded(await world.scaleOut('picky', 1))
  expect((await theOnly()).machine).toMatchObject({ type: 'cx32', location: 'fsn1' })
})

test('sold out everywhere: the run fails, names every pair it tried, and goes on when retried', async () => {
  await faults({ kind: 'unavailable' })
  const run = await world.rested(await world.scaleOut('picky', 1))
  expect(run).toMatchObject({ status: 'failed', error: { code: 'resource_unavailable' } })
  for (const pair of ['cx22 in fsn1', 'cx22 in nbg1', 'cx32 in fsn1', 'cx32 in nbg1'])
    expect(run.error?.message).toContain(pair)
  expect(run.error?.step).toMatch(/^nodes\.picky-\d+\.buy$/)
  expect(run.error?.message).toMatch(/retry the run .* or cancel it/)
  // Without end, but twice only: a shop that is sold out stays so for longer than anybody wants to wait.
  expect(stepOf(run, 'machine.buy')?.attempts).toBe(2)
  await retried(run.id)
  expect(await world.ledger()).toEqual(exactly(await keys(), { pool: 'picky' }))
})

test('a project at its limit: the run fails at once and says what to ask for, and goes on when retried', async () => {
  await faults({ kind: 'quota' })
  const run = await world.rested(await world.scaleOut('edge', 1))
  expect(run).toMatchObject({ status: 'failed', error: { code: 'resource_limit_exceeded' } })
  expect(run.error?.message).toMatch(/at its limit: ask the provider for a higher one, then retry the run/)
  expect(stepOf(run, 'machine.buy')?.attempts).toBe(1)
  await retried(run.id)
  expect(await world.ledger()).toEqual(exactly(await keys()))
})

test('a rate limit of the issuer that lasts: the run fails and says so, and goes on with the same machine', async () => {
  await faults({ kind: 'rate-limit', path: '/acme/', times: 1_000_000 })
  const run = await world.rested(await world.scaleOut('edge', 1))
  expect(run).toMatchObject({ status: 'failed', error: { code: 'rateLimited' } })
  expect(run.error?.message).toMatch(/retry the run later, or name another issuer in ACME_DIRECTORY_URL/)
  const before = await purchases(world.sandbox)
  await retried(run.id)
  expect(await purchases(world.sandbox)).toEqual(before)
  expect(await world.ledger()).toEqual(exactly(await keys()))
})

test('a machine that refuses SSH fails the run visibly; a retry resumes it with the same machine', async () => {
  await faults({ kind: 'sshd-refuses' })
  const run = await world.rested(await world.scaleOut('edge', 1))
  expect(run).toMatchObject({
    status: 'failed',
    error: { step: expect.stringMatching(/\.ssh$/), code: 'timeout' },
  })
  const before = await purchases(world.sandbox)
  await retried(run.id)
  expect(await purchases(world.sandbox)).toEqual(before)
})

test('an installation that breaks off half way is repaired', async () => {
  await faults({ kind: 'apt-fails', times: 2 })
  const run = await world.succeeded(await world.scaleOut('edge', 1))
  expect(run.steps.find(step => step.job === 'docker.install')?.attempts).toBeGreaterThan(1)
})

test('a run cancelled half way is taken back whole', async () => {
  const id = await world.scaleOut('edge', 2)
  await until(
    async () => (await world.getRun(id)).steps.some(step => step.job === 'ssh.wait' && step.startedAt),
    {
      within: 30_000,
      what: 'the first login',
    },
  )
  await world.ok('POST', `/runs/${id}/cancel`)
  expect(await world.rested(id)).toMatchObject({ status: 'cancelled', error: null })
  expect(await world.ledger()).toEqual(exactly([]))
})
