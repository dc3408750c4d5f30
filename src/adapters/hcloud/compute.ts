import { Fatal, PortError } from '../../core/errors.js'
import type { ComputePort, Machine, MachineSpec } from '../../ports/compute.js'
import { isSoldOut } from './errors.js'
import type { Inventory, Standing } from './inventory.js'
import type { Maker, Order } from './maker.js'
import { pause } from './pause.js'

type Create = ComputePort['create']

/**
 * The port over any way of making machines. What all ways have in common is here: look by label before buying and
 * again after a failure, try the next offer when one is sold out, and check by label that nothing is left.
 * `direct` removes what `maker` knows nothing of.
 */
export function createCompute(inventory: Inventory, maker: Maker, direct: Maker): ComputePort {
  const create: Create = async (spec, signal, progress) => {
    const existing = await usable(checked(spec.key), signal, progress)
    if (existing) {
      progress(0.5, `${spec.name} exists as server ${existing.id}`)
      await maker.adopt(existing, orderFor(spec, existing), signal, progress)
      return existing
    }
    await maker.forget(spec.key, signal)
    return buy(spec, signal, progress)
  }

  const buy: Create = async (spec, signal, progress) => {
    for (const offer of spec.offers) {
      progress(0.1, `asking for ${offer.type} in ${offer.location}`)
      const failure = await maker.make(orderFor(spec, offer), signal, progress).then(
        () => undefined,
        (error: unknown) => error ?? new Error('unknown failure'),
      )
      if (failure === undefined) return found(spec, signal)
      const machine = await survivor(spec, signal, progress, failure)
      if (machine) return machine
      if (!isSoldOut(failure)) throw failure
      progress(0.1, `no ${offer.type} left in ${offer.location}`)
    }
    throw soldOut(spec)
  }

  /** After a failure: the machine, if it was made all the same, or nothing at all. */
  async function survivor(
    ...[spec, signal, progress, failure]: [...Parameters<Create>, unknown]
  ): Promise<Machine | null> {
    if (signal.aborted) throw failure
    try {
      const machine = await usable(spec.key, signal, progress)
      if (machine) await maker.adopt(machine, orderFor(spec, machine), signal, progress)
      else await maker.forget(spec.key, signal)
      return machine
    } catch {
      throw failure // what went wrong first says more; the next try looks and forgets again
    }
  }

  /** The machine under a key, if it is fit for use. One that is down never came up: it is removed. */
  async function usable(...[key, signal, progress]: Parameters<ComputePort['destroy']>) {
    const standing = await settled(inventory, key, signal)
    if (standing?.status !== 'off') return standing?.machine ?? null
    progress(0.1, `server ${standing.machine.id} is down: removing it`)
    await direct.unmake(key, signal, progress)
    return null
  }

  async function found(spec: MachineSpec, signal: AbortSignal): Promise<Machine> {
    const standing = await inventory.look(spec.key, signal)
    if (standing) return standing.machine
    throw new PortError('machine-vanished', `${spec.name} was made, but the provider does not list it`, {
      retryable: true,
    })
  }

  return {
    create,
    find: async (key, signal) => {
      const standing = await inventory.look(checked(key), signal)
      return standing && standing.status !== 'deleting' ? standing.machine : null
    },
    destroy: async (key, signal, progress) => {
      await maker.unmake(checked(key), signal, progress)
      if (await settled(inventory, key, signal)) await direct.unmake(key, signal, progress)
      await maker.forget(key, signal)
    },
    list: inventory.list,
    offers: inventory.offers,
  }
}

/** What is there, once a removal that is under way is over. */
async function settled(inventory: Inventory, key: string, signal: AbortSignal): Promise<Standing | null> {
  for (let ms = 100; ; ms = Math.min(ms * 2, 2000)) {
    const standing = await inventory.look(key, signal)
    if (standing?.status !== 'deleting') return standing
    await pause(ms, signal)
  }
}

const orderFor = ({ offers: _, ...spec }: MachineSpec, { type, location }: OfferName): Order => ({
  ...spec,
  type,
  location,
})
type OfferName = MachineSpec['offers'][number]

/** A key becomes a label, a path and a file name: anything but a label's characters is refused. */
function checked(key: string): string {
  if (/^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/.test(key)) return key
  throw new Fatal('bad-machine-key', `${JSON.stringify(key)} is not a machine key such as edge-1.2`)
}

function soldOut({ name, offers }: MachineSpec): PortError {
  const tried = offers.map(({ type, location }) => `${type} in ${location}`).join(', ')
  const message = offers.length > 0 ? `none left of ${tried}` : 'no type and place to buy it in was given'
  return new PortError('resource_unavailable', `${name}: ${message}`, { retryable: offers.length > 0 })
}
