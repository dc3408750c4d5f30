import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { exactly } from '../support/ledger.js'
import { tempDir } from '../support/temp.js'
import { until } from '../support/wait.js'
import { startWorld } from '../support/world.js'

test('Redis away: 503 at once, reading works, and all goes on when it is back', async () => {
  const world = await startWorld()
  await world.up()
  await world.pool('edge')
  await world.redis.crash()
  const before = Date.now()
  const refused = await world.call('POST', '/pools/edge/scale-out', { count: 1 })
  expect(refused).toMatchObject({ status: 503, body: { code: 'queue-unavailable' } })
  expect(Date.now() - before).toBeLessThan(2_000)
  expect((await world.ok('GET', '/pools')).items).toHaveLength(1)
  expect((await fetch(`${world.url}/readyz`)).status).toBe(503)
  expect((await fetch(`${world.url}/healthz`)).status).toBe(200)
  await world.redis.restart()
  const run = await until(() => world.scaleOut('edge', 1), { within: 20_000, what: 'the queue to be back' })
  await until(async () => (await world.getRun(run)).status === 'running', { what: 'the run to begin' })
  // Again, now in mid-run.
  await world.redis.crash()
  await world.redis.restart()
  await world.succeeded(run)
  expect(await world.ledger()).toEqual(exactly(['edge-1.1']))
  await world.close()
})

test('a full disk: requests are refused clearly, and nothing is broken when there is room again', async () => {
  const disk = path.join(tempDir(), 'disk')
  execFileSync('mkdir', [disk])
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'lazarus-test', disk])
  try {
    const world = await startWorld({}, disk)
    await world.up()
    await world.pool('edge')
    fill(disk)
    const refused = await until(async () => {
      const answer = await world.call('POST', '/pools', { name: `p${Date.now()}` })
      return answer.status >= 400 && answer
    })
    expect(refused).toMatchObject({ status: 507, body: { code: 'storage-full' } })
    expect((await world.ok('GET', '/pools?limit=200')).items.length).toBeGreaterThan(0)
    rmSync(path.join(disk, 'ballast'))
    await world.succeeded(await until(() => world.scaleOut('edge', 1), { what: 'room again' }))
    expect((await world.ledger()).machines).toEqual(['edge-1.1'])
    await world.close()
  } finally {
    execFileSync('umount', ['--lazy', disk])
  }
})

/** Leaves no block free. */
function fill(disk: string): void {
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(path.join(disk, 'ballast'), Buffer.alloc(Number(bavail) * Number(bsize)))
}

test('API and worker as processes of their own: either may die, and the other one goes on', async () => {
  const world = await startWorld()
  const start = async (name: 'api' | 'worker') => {
    const program = world.start([name, '--json'], world.shared)
    await program.ready
    return program
  }
  const [api, worker] = [await start('api'), await start('worker')]
  await world.pool('edge')
  const run = await world.scaleOut('edge', 2)
  const reached = (job: string) => async () =>
    (await world.getRun(run)).steps.some(step => step.job === job && step.startedAt)
  await until(reached('machine.buy'), { within: 30_000, what: 'the first purchase' })
  await worker.end('SIGKILL')
  await start('worker')
  await until(reached('edge.deploy'), { within: 30_000, what: 'the first deployment' })
  await api.end('SIGKILL')
  const next = await start('api')
  await world.succeeded(run)
  expect(await world.ledger()).toEqual(exactly(['edge-1.1', 'edge-2.1']))
  expect(await next.end('SIGTERM')).toBe(0)
  await world.close()
})
