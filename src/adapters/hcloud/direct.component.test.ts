import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { computeWorld } from '../../../test/support/compute-world.js'
import { tempDir } from '../../../test/support/temp.js'
import { until } from '../../../test/support/wait.js'
import { computeConformance } from '../../ports/compute.conformance.js'
import { createHcloudCompute } from './index.js'

computeConformance('direct calls', () => computeWorld('none', tempDir()))

describe('two installations in one project', () => {
  it('never take the machine of the other for their own', async () => {
    const world = await computeWorld('none', tempDir())
    const { signal } = new AbortController()
    const ignore = () => undefined
    try {
      const other = await createHcloudCompute({ ...world.options, owner: 'lazarus-other' })
      const spec = {
        ...{ key: 'edge-1.1', pool: 'edge', image: 'debian-12', userData: '' },
        offers: [{ type: 'cx22', location: 'fsn1' }],
      }
      const mine = await world.compute.create({ ...spec, name: 'edge-1' }, signal, ignore)
      expect(await other.find(spec.key, signal)).toBeNull()
      expect(await other.list(signal)).toEqual([])
      const theirs = await other.create({ ...spec, name: 'edge-1-too' }, signal, ignore)
      expect(theirs.id).not.toBe(mine.id)
      await other.destroy(spec.key, signal, ignore)
      expect(await world.compute.find(spec.key, signal)).toMatchObject({ id: mine.id })
    } finally {
      await world.close()
    }
  })
})

describe('an order that is cancelled on its way', () => {
  it('is carried out before the maker gives up, so that taking it back finds it', async () => {
    const world = await computeWorld('none', tempDir())
    const spec = {
      ...{ key: 'edge-1.1', name: 'edge-1', pool: 'edge', image: 'debian-12', userData: '' },
      offers: [{ type: 'cx22', location: 'fsn1' }],
    }
    const reason = new Error('cancelled')
    const control = new AbortController()
    try {
      await world.inject({ kind: 'slow', method: 'POST', path: '/servers', ms: 300 })
      const creating = world.compute.create(spec, control.signal, () => undefined)
      creating.catch(() => undefined)
      await until(() => world.cloud.faults.all().length === 0, { what: 'the order to be on its way' })
      control.abort(reason)
      await expect(creating).rejects.toBe(reason)
      expect(await world.servers()).toEqual([spec.key])
      await world.compute.destroy(spec.key, new AbortController().signal, () => undefined)
      expect(await world.servers()).toEqual([])
    } finally {
      await world.close()
    }
  })
})

describe('a machine on its way out', () => {
  const spec = {
    key: 'edge-1.1',
    name: 'edge-1',
    pool: 'edge',
    offers: [{ type: 'cx22', location: 'fsn1' }],
    image: 'debian-12',
    userData: '',
  }
  const { signal } = new AbortController()
  const ignore = () => undefined
  let world: Awaited<ReturnType<typeof computeWorld>>
  let open = (): void => undefined

  beforeEach(async () => {
    world = await computeWorld('none', tempDir())
    await world.compute.create(spec, signal, ignore)
    const gate = new Promise<void>(resolve => {
      open = resolve
    })
    const erase = world.cloud.machines.erase.bind(world.cloud.machines)
    world.cloud.machines.erase = id => gate.then(() => erase(id))
    for (const server of world.cloud.servers.list()) world.cloud.servers.delete(server)
  })
  afterEach(() => {
    open()
    return world.close()
  })

  it('counts as gone, and its name is waited for before it is used again', async () => {
    expect(await world.compute.find(spec.key, signal)).toBeNull()
    expect(await world.compute.list(signal)).toEqual([])
    const creating = world.compute.create(spec, signal, ignore)
    open()
    await creating
    expect(world.cloud.events.after(0, 'server.created')).toHaveLength(2)
    expect(await world.servers()).toEqual([spec.key])
  })

  it('is only destroyed once it is gone', async () => {
    let done = false
    const destroying = world.compute.destroy(spec.key, signal, ignore).then(() => {
      done = true
    })
    await until(() => world.cloud.requests() > 6, { what: 'repeated looks' })
    expect(done).toBe(false)
    open()
    await destroying
    expect(await world.servers()).toEqual([])
  })

  it('is not waited for after an abort', async () => {
    const reason = new Error('cancelled')
    await expect(
      world.compute.create(spec, AbortSignal.any([AbortSignal.abort(reason)]), ignore),
    ).rejects.toBe(reason)
    const control = new AbortController()
    const creating = world.compute.create(spec, control.signal, ignore)
    control.abort(reason)
    await expect(creating).rejects.toBe(reason)
  })
})
