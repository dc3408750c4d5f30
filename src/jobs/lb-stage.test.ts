import { beforeEach, describe, expect, test } from 'vitest'
import { type SecondVersion, secondVersion, target } from '../../test/support/lvs/second-version.js'
import { inWorld } from '../../test/support/run-job.js'
import { ospfKeyOf } from './cluster-files.js'
import { lbActivate } from './lb-activate.js'
import { lbCheck } from './lb-check.js'
import { lbStage } from './lb-stage.js'

let scene: SecondVersion

beforeEach(async () => {
  scene = await secondVersion()
})

describe('staging', () => {
  test('only what differs is sent; what holds the key is for root alone, and the key is said nowhere', async () => {
    const key = await ospfKeyOf(scene.push.world.vault, 'inner')
    expect(key).toMatch(/^[A-Za-z0-9]{16}$/)
    const { sent } = scene.push.at('lb1.hy01')
    const holders = sent.filter(file => file.content.includes(key))
    expect(holders.map(file => file.mode)).toEqual([0o600])
    expect(holders[0]?.path).toMatch(/\.part\/routing\/ospfd\.conf$/)
    const stage = inWorld(lbStage, scene.push.world)
    expect(await stage.run(target())).toEqual({ sent: 0 })
    const said = JSON.stringify([stage.logged, scene.push.at('lb1.hy01').calls, scene.push.world.calls])
    expect(said).not.toContain(key)
  })

  test('S4-4: cut off in the middle, it is begun anew and becomes whole', async () => {
    scene.push.at('lb1.hy01').revisions.delete(scene.next)
    scene.push.world.fail('ssh.put', 'before')
    const stage = inWorld(lbStage, scene.push.world)
    await expect(stage.run(target())).rejects.toMatchObject({ code: 'connection-lost', retryable: true })
    expect(scene.push.at('lb1.hy01').revisions.has(scene.next)).toBe(false)
    expect(scene.push.at('lb1.hy01').running).toBe(scene.old)
    await stage.run(target(), 2)
    expect([...(scene.push.at('lb1.hy01').revisions.get(scene.next) ?? [])]).toHaveLength(6)
  })

  test('another key since is another revision: the sync has to begin anew', async () => {
    await scene.push.world.vault.put('lvs/inner/ospf-key', 'chosen-by-hand')
    await expect(inWorld(lbStage, scene.push.world).run(target())).rejects.toMatchObject({
      code: 'revision-changed',
    })
  })

  test('what a balancer refuses is in force nowhere, and its words come without the key', async () => {
    scene.push.at('lb1.hy01').refusals.set('check', {
      code: 1,
      stderr: 'line 4: % Unknown command: ip ospf message-digest-key 8 md5 verysecret',
    })
    const error = await inWorld(lbCheck, scene.push.world).run(target()).catch(String)
    expect(error).toMatch(/^Fatal: lb1.hy01 refused it.*message-digest-key 8 md5 \*\*\*$/)
    expect(scene.push.at('lb1.hy01').calls).toEqual([`check ${scene.next.slice(0, 8)} alibaba`])
  })

  test('another action at work is waited for', async () => {
    scene.push.at('lb1.hy01').refusals.set('check', { code: 75, stderr: 'another action is at work' })
    await expect(inWorld(lbCheck, scene.push.world).run(target())).rejects.toMatchObject({
      ...{ code: 'balancer-busy', retryable: true },
    })
  })

  test('what came back without its disk is staged once more before the switch', async () => {
    scene.push.at('lb1.hy01').revisions.clear()
    expect(await inWorld(lbActivate, scene.push.world).run(target())).toEqual({ skipped: false })
    expect(scene.push.at('lb1.hy01').current).toBe(scene.next)
  })

  test.each(["a'b", 'a\nb', '{}', '../x', '$(id)'])(
    'a change or balancer called %j is refused',
    async name => {
      await expect(inWorld(lbStage, scene.push.world).run(target(name))).rejects.toThrow()
      await expect(inWorld(lbStage, scene.push.world).run(target('lb1.hy01', name))).rejects.toThrow()
    },
  )
})

describe('first contact', () => {
  test('the host key that is seen then stays, and the operators are told once', async () => {
    expect(scene.push.record('lb1.hy01').hostKey).toBe('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==')
    expect(scene.push.world.notices.told).toHaveLength(3)
    expect(scene.push.world.calls.filter(call => call === 'ssh.hostKey')).toHaveLength(3)
  })

  test('one whose name does not resolve is tried again', async () => {
    scene.push.world.resolver.hosts.delete('10.9.1.2')
    await expect(inWorld(lbStage, scene.push.world).run(target())).rejects.toMatchObject({
      ...{ code: 'no-address', retryable: true },
    })
  })
})
