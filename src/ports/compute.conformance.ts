import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ComputePort, MachineSpec } from './compute.js'

/** A fault of the cloud under test; the sandbox's words. */
export type CloudFault =
  | { kind: 'answer-lost' | 'rate-limit' | 'server-error'; method: string; path: string; times?: number }
  | { kind: 'slow'; method: string; path: string; ms: number }
  | { kind: 'unavailable'; type: string; location: string }

/** A compute port and the cloud behind it, seen from behind. */
export interface ComputeWorld {
  compute: ComputePort
  /** Makes the cloud misbehave. */
  inject(fault: CloudFault): Promise<void>
  /** The keys of all servers that exist in the cloud. */
  servers(): Promise<string[]>
  /** Removes a server without the port knowing. */
  removeServer(key: string): Promise<void>
  /** Makes the port forget what it keeps about a machine, as a lost disk would. */
  loseState(key: string): Promise<void>
  /** Keys of what the port keeps about machines. */
  states(): Promise<string[]>
  close(): Promise<void>
}

const OFFERS = [
  { type: 'cx22', location: 'fsn1' },
  { type: 'cx22', location: 'nbg1' },
  { type: 'cpx11', location: 'hel1' },
]
const spec = (node = 'edge-1', more: Partial<MachineSpec> = {}): MachineSpec => ({
  key: `${node}.1`,
  name: node,
  pool: 'edge',
  offers: OFFERS,
  image: 'debian-12',
  userData: '#cloud-config\n{"hostname":"secret-of-the-machine"}',
  ...more,
})
const POST = { method: 'POST', path: '/servers' }

/** What every compute port must do. `make` gives a fresh world for each test. */
export function computeConformance(name: string, make: () => Promise<ComputeWorld>): void {
  describe(`compute port: ${name}`, () => {
    let world: ComputeWorld
    let steps: string[]
    const { signal } = new AbortController()
    const progress = (_part: number, text: string) => {
      steps.push(text)
    }
    const create = (wanted: MachineSpec) => world.compute.create(wanted, signal, progress)
    const destroy = (key: string) => world.compute.destroy(key, signal, progress)

    beforeEach(async () => {
      steps = []
      world = await make()
    })
    afterEach(() => world.close())

    it('creates a machine that it then finds and lists', async () => {
      const machine = await create(spec())
      expect(machine).toMatchObject({ key: 'edge-1.1', name: 'edge-1', type: 'cx22', location: 'fsn1' })
      expect(machine.monthlyPrice).toBeGreaterThan(0)
      expect(machine.currency).toBe('EUR')
      expect(await world.compute.find('edge-1.1', signal)).toEqual(machine)
      expect(await world.compute.list(signal)).toEqual([machine])
      expect(steps.length).toBeGreaterThan(0)
      expect(steps.join()).not.toContain('secret-of-the-machine')
    })

    it('finds nothing where there is nothing', async () => {
      expect(await world.compute.find('edge-9.1', signal)).toBeNull()
      expect(await world.compute.list(signal)).toEqual([])
    })

    it('adopts what an earlier try made', async () => {
      const first = await create(spec())
      expect(await create(spec())).toEqual(first)
      expect(await create(spec())).toEqual(first)
      expect(await world.servers()).toEqual(['edge-1.1'])
    })

    it('destroys, also twice, also what never was', async () => {
      await create(spec())
      await destroy('edge-1.1')
      await destroy('edge-1.1')
      await destroy('edge-7.1')
      expect(await world.servers()).toEqual([])
      expect(await world.states()).toEqual([])
      expect(await world.compute.find('edge-1.1', signal)).toBeNull()
    })

    it('keeps machines apart that are made at once', async () => {
      const nodes = ['edge-1', 'edge-2', 'edge-3']
      const machines = await Promise.all(nodes.map(node => create(spec(node))))
      expect(new Set(machines.map(machine => machine.id)).size).toBe(3)
      await destroy('edge-2.1')
      expect(await world.servers()).toEqual(['edge-1.1', 'edge-3.1'])
    })

    it('offers what can be bought, cheapest first', async () => {
      const offers = await world.compute.offers(signal)
      expect(offers).toContainEqual(
        expect.objectContaining({ type: 'cx22', location: 'fsn1', currency: 'EUR' }),
      )
      const prices = offers.map(offer => offer.monthlyPrice)
      expect(prices).toEqual([...prices].sort((a, b) => a - b))
    })

    it('takes the next offer when one is sold out', async () => {
      await world.inject({ kind: 'unavailable', type: 'cx22', location: 'fsn1' })
      await world.inject({ kind: 'unavailable', type: 'cx22', location: 'nbg1' })
      expect(await create(spec())).toMatchObject({ type: 'cpx11', location: 'hel1' })
      expect(await world.servers()).toEqual(['edge-1.1'])
    })

    it('names everything it tried when nothing is left, and leaves nothing behind', async () => {
      for (const offer of OFFERS) await world.inject({ kind: 'unavailable', ...offer })
      const failure = await create(spec()).catch(error => error)
      expect(failure).toMatchObject({ name: 'PortError', code: 'resource_unavailable', retryable: true })
      expect(failure.message).toContain('cx22 in fsn1, cx22 in nbg1, cpx11 in hel1')
      expect(await world.servers()).toEqual([])
      expect(await world.states()).toEqual([])
    })

    it('makes one machine when the answer to the order is lost', async () => {
      await world.inject({ kind: 'answer-lost', ...POST })
      const machine = await create(spec()).catch(() => create(spec()))
      expect(await world.servers()).toEqual(['edge-1.1'])
      expect(await create(spec())).toEqual(machine)
      await destroy('edge-1.1')
      expect(await world.states()).toEqual([])
    })

    it('removes the machine when the answer to the removal is lost', async () => {
      await create(spec())
      await world.inject({ kind: 'answer-lost', method: 'DELETE', path: '/servers' })
      await destroy('edge-1.1').catch(() => destroy('edge-1.1'))
      expect(await world.servers()).toEqual([])
      expect(await world.states()).toEqual([])
    })

    it('passes on a rate limit as such, and succeeds when repeated', async () => {
      await world.inject({ kind: 'rate-limit', method: 'GET', path: '/servers' })
      await expect(world.compute.find('edge-1.1', signal)).rejects.toMatchObject({
        name: 'PortError',
        code: 'rate_limit_exceeded',
        retryable: true,
        retryAfter: 1000,
      })
      expect(await world.compute.find('edge-1.1', signal)).toBeNull()
    })

    it('survives a provider that fails while it buys', async () => {
      await world.inject({ kind: 'rate-limit', ...POST })
      const machine = await create(spec()).catch(error => {
        expect(error).toMatchObject({ code: 'rate_limit_exceeded', retryable: true })
        return create(spec())
      })
      expect(await world.servers()).toEqual([machine.key])
    })

    it('does not repeat what no repetition cures', async () => {
      const failure = await create(spec('edge-1', { image: 'no-such-image' })).catch(error => error)
      expect(failure).toMatchObject({ name: 'PortError' })
      expect(await world.servers()).toEqual([])
    })

    it('replaces a machine that vanished behind its back', async () => {
      const first = await create(spec())
      await world.removeServer('edge-1.1')
      const second = await create(spec())
      expect(second.id).not.toBe(first.id)
      expect(await world.servers()).toEqual(['edge-1.1'])
      await world.removeServer('edge-1.1')
      await destroy('edge-1.1')
      expect(await world.states()).toEqual([])
    })

    it('finds and removes a machine whose state was lost', async () => {
      const first = await create(spec())
      await world.loseState('edge-1.1')
      expect(await create(spec())).toEqual(first)
      await world.loseState('edge-1.1')
      await destroy('edge-1.1')
      expect(await world.servers()).toEqual([])
      expect(await world.states()).toEqual([])
    })

    it('stops when told to, and can be repeated', async () => {
      await world.inject({ kind: 'slow', ...POST, ms: 1500 })
      const control = new AbortController()
      const reason = new Error('cancelled')
      const creating = world.compute.create(spec(), control.signal, (_part, text) => {
        if (text.includes('asking')) setTimeout(() => control.abort(reason), 400)
      })
      await expect(creating).rejects.toBe(reason)
      await create(spec())
      expect(await world.servers()).toEqual(['edge-1.1'])
    })

    it('refuses a key that is none', async () => {
      await expect(world.compute.find('../etc', signal)).rejects.toMatchObject({ code: 'bad-machine-key' })
      await expect(destroy('a,managed-by=lazarus')).rejects.toMatchObject({ code: 'bad-machine-key' })
    })
  })
}
