import { beforeEach, describe, expect, test } from 'vitest'
import { type SecondVersion, secondVersion } from '../../test/support/lvs/second-version.js'
import { inWorld } from '../../test/support/run-job.js'
import { runPlan } from '../../test/support/run-plan.js'
import { planRun } from '../core/plan.js'
import { balancerRevert } from '../workflows/balancer-revert.js'
import { lbRevert } from './lb-revert.js'

let scene: SecondVersion

beforeEach(async () => {
  scene = await secondVersion()
})

describe('S4-4: a balancer is told to go back', () => {
  const revert = () => inWorld(lbRevert, scene.push.world).run({ cluster: 'inner', lb: 'lb1.hy01' })

  test('and has lost what it should go back to', async () => {
    const before = scene.push.record('lb1.hy01')
    scene.push.at('lb1.hy01').good = null
    await expect(revert()).rejects.toMatchObject({ name: 'Fatal', code: 'nothing-good' })
    expect(scene.push.record('lb1.hy01')).toEqual(before)
  })

  test('and fails: nothing else is noted of it than that it was told', async () => {
    scene.push.at('lb1.hy01').refusals.set('revert', { stderr: 'No space left on device' })
    await expect(revert()).rejects.toMatchObject({ message: expect.stringContaining('No space left') })
    expect(scene.push.record('lb1.hy01')).toMatchObject({ revision: scene.next, reloading: true })
  })
})

describe('S4-4: going back by hand', () => {
  const revert = () =>
    runPlan(planRun(balancerRevert, { cluster: 'inner', lb: 'lb1.hy01' }), scene.push.world, () =>
      scene.pass(30),
    )

  test('a balancer goes back to what proved itself, and is looked at', async () => {
    expect((await revert()).failed).toBeNull()
    expect(scene.push.at('lb1.hy01')).toMatchObject({ current: scene.old, running: scene.old })
    expect(scene.push.record('lb1.hy01')).toMatchObject({
      revision: scene.old,
      version: 1,
      reloading: false,
      error: null,
    })
  })

  test('when it does not serve then, that is said, and nothing else is done', async () => {
    scene.push.at('lb1.hy01').broken.add(scene.old)
    scene.push.at('lb1.hy01').neighbours = []
    expect((await revert()).failed).toMatchObject({ path: 'verify', error: { code: 'verify-failed' } })
  })

  test('where nothing has proved itself there is nothing to go back to', async () => {
    await scene.push.world.clusters.note('lb1.hy01', { good: null, goodVersion: null })
    expect((await revert()).failed).toMatchObject({ error: { code: 'nothing-good' } })
  })
})
