import { Fatal, PortError } from '../../core/errors.js'
import type { ComputePort, Machine, MachineSpec } from '../../ports/compute.js'
import { isSoldOut } from './errors.js'
import type { Inventory } from './inventory.js'
import type { Maker, Order } from './maker.js'

/**
 * The port over any way of making machines. What all ways have in common is here: look by label before buying and
 * again after a failure, try the next offer when one is sold out, and check by label that nothing is left.
 */
export function createCompute(inventory: Inventory, maker: Maker, fallback: Maker): ComputePort {
  return {
    ...inventory,
    find: async (key, signal) => inventory.find(checked(key), signal),
    create: async (spec, signal, progress) => {
      const existing = await inventory.find(checked(spec.key), signal)
      if (existing) {
        progress(0.5, `${spec.name} exists as server ${existing.id}`)
        await maker.adopt(existing, orderFor(spec, existing), signal, progress)
        return existing
      }
      await maker.forget(spec.key, signal)
      return buy(spec, signal, progress)
    },
    destroy: async (key, signal, progress) => {
      await maker.unmake(checked(key), signal, progress)
      await fallback.unmake(key, signal, progress)
      await maker.forget(key, signal)
    },
  }

  async function buy(...[spec, signal, progress]: Parameters<ComputePort['create']>): Promise<Machine> {
    for (const offer of spec.offers) {
      progress(0.1, `asking for ${offer.type} in ${offer.location}`)
      try {
        await maker.make(orderFor(spec, offer), signal, progress)
      } catch (error) {
        const machine = await survivor(spec.key, signal, error)
        if (machine) return machine
        if (!isSoldOut(error)) throw error
        progress(0.1, `no ${offer.type} left in ${offer.location}`)
        continue
      }
      return found(spec, signal)
    }
    await maker.forget(spec.key, signal)
    throw soldOut(spec)
  }

  /** After a failure: the machine, if it was made all the same. If the provider is silent, the failure stands. */
  async function survivor(key: string, signal: AbortSignal, failure: unknown): Promise<Machine | null> {
    if (signal.aborted) throw failure
    return inventory.find(key, signal).catch(() => {
      throw failure
    })
  }

  async function found(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    const machine = await inventory.find(spec.key, signal)
    if (machine) return machine
    throw new PortError('machine-vanished', `${spec.name} was made, but the provider does not list it`, {
      retryable: true,
    })
  }
}

const orderFor = ({ offers: _, ...spec }: MachineSpec, { type, location }: OfferName): Order => ({
  ...spec,
  type,
  location,
})
/** A key becomes a label, a path and a file name: anything but a label's characters is refused. */
function checked(key: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(key)) return key
  throw new Fatal('bad-machine-key', `${JSON.stringify(key)} is not a machine key such as edge-1.2`)
}

type OfferName = MachineSpec['offers'][number]

function soldOut({ name, offers }: MachineSpec): PortError {
  const tried = offers.map(({ type, location }) => `${type} in ${location}`).join(', ')
  const message = offers.length > 0 ? `none left of ${tried}` : 'no type and place to buy it in was given'
  return new PortError('resource_unavailable', `${name}: ${message}`, { retryable: offers.length > 0 })
}
