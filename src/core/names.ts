import { z } from 'zod'

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const isHostName = (text: string): boolean =>
  text.length <= 200 && text.includes('.') && text.split('.').every(label => LABEL.test(label))

/** A node's name: one DNS label in lower case. */
export const nodeName = z.string().regex(LABEL, 'a DNS label: a-z, 0-9 and inner hyphens, at most 63')

/** A pool's name: a DNS label short enough to take a node's number. */
export const poolName = nodeName.max(40, 'at most 40 characters, so that "-<number>" still fits')

/** A DNS zone such as `edge.example.org`, in lower case and without a final dot. */
export const zoneName = z.string().refine(isHostName, 'a DNS zone such as example.org, in lower case')

/** The name of `node` in the DNS: `<node>.<pool>.<zone>`. */
export const fqdnOf = (seat: { node: string; pool: string; zone: string }): string =>
  `${seat.node}.${seat.pool}.${seat.zone}`

/** The key of the machine that bears a node's name for the `incarnation`th time: `edge-1.2`. */
export const machineKey = (seat: { node: string; incarnation: number }): string =>
  `${seat.node}.${seat.incarnation}`

/** A node's place in the DNS. */
export const placeSchema = z.object({ node: nodeName, pool: poolName, zone: zoneName })

/** A node's place, and which of the machines that bear its name is meant. */
export const seatSchema = placeSchema.extend({ incarnation: z.number().int().min(1) })
export type Seat = z.output<typeof seatSchema>
