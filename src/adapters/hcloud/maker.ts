import type { Machine, MachineSpec, Progress } from '../../ports/compute.js'

/** One machine of one type in one place. */
export interface Order extends Omit<MachineSpec, 'offers'> {
  type: string
  location: string
}

/**
 * A way of making and removing machines. All of them end in the same server with the same labels; what differs is
 * who asks the provider (Lazarus itself, or Terraform) and whether somebody keeps a state.
 */
export interface Maker {
  /** For people: `terraform 1.11.4 with ...`. */
  readonly name: string
  /** Makes the machine. A second run after a lost answer makes no second one. */
  make(order: Order, signal: AbortSignal, progress: Progress): Promise<void>
  /** Takes over a machine that exists: afterwards its state, if this maker keeps one, is whole. */
  adopt(machine: Machine, order: Order, signal: AbortSignal, progress: Progress): Promise<void>
  /** Removes the machine, if the maker knows of it. */
  unmake(key: string, signal: AbortSignal, progress: Progress): Promise<void>
  /** Drops whatever is kept about a machine that does not exist. */
  forget(key: string, signal: AbortSignal): Promise<void>
}

/**
 * The labels of a machine: what `find` and `list` look for, and where it belongs. `owner` is the installation: two in
 * one project never take each other's machines for their own.
 */
export const labelsOf = (owner: string, { key, pool, name }: Order): Record<string, string> => ({
  'managed-by': owner,
  'lazarus-key': key,
  'lazarus-pool': pool,
  'lazarus-node': name,
})
