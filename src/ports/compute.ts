import { z } from 'zod'

/** A machine as the provider knows it. Addresses are textual; `monthlyPrice` is gross, in `currency`. */
export const machineSchema = z.object({
  id: z.string(),
  key: z.string(),
  name: z.string(),
  type: z.string(),
  location: z.string(),
  ipv4: z.ipv4(),
  ipv6: z.ipv6().nullable(),
  monthlyPrice: z.number(),
  currency: z.string(),
  createdAt: z.string(),
})
export type Machine = z.infer<typeof machineSchema>

/** What to buy. `offers` is tried in order: the next one when the provider has none of the first left. */
export interface MachineSpec {
  /** Idempotence key, kept as a label on the machine. */
  key: string
  /** DNS label, unique at the provider. */
  name: string
  pool: string
  offers: readonly { type: string; location: string }[]
  image: string
  /** cloud-init user data. Holds the host's private SSH key: never log it. */
  userData: string
}

/** A type of machine in one place, with its gross monthly price. */
export interface Offer {
  type: string
  location: string
  monthlyPrice: number
  currency: string
}

export type Progress = (part: number, text: string) => void

/** Machines that can be bought. Every error is a `PortError` with the provider's code. */
export interface ComputePort {
  /** The machine labelled with `key`, or null. Atomic at the provider. */
  find(key: string, signal: AbortSignal): Promise<Machine | null>
  /** Buys one, or adopts the machine already labelled with `spec.key`. Returns when it has an address. */
  create(spec: MachineSpec, signal: AbortSignal, progress: Progress): Promise<Machine>
  /** Removes the machine labelled with `key` and its state; succeeds when there is none. */
  destroy(key: string, signal: AbortSignal, progress: Progress): Promise<void>
  /** Every machine that Lazarus ever labelled, for finding those without an owner. */
  list(signal: AbortSignal): Promise<Machine[]>
  /** What can be bought, cheapest first. */
  offers(signal: AbortSignal): Promise<Offer[]>
}
