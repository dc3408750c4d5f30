import { z } from 'zod'

const node = z.string().min(1).max(63)

/** Trades a one-time enrolment token for a key. */
export const enrolSchema = z.object({ node, token: z.string().min(1).max(200) })

/** `version` is the agent's own. */
export const registerSchema = z.object({ node, version: z.string().max(100) })

/** What an agent says with every beat. `cpu` and `mem` are shares of 1; `seq` grows. */
export const beatSchema = z.object({
  node,
  seq: z.int().min(0),
  cpu: z.number().min(0),
  mem: z.number().min(0),
  rxBps: z.number().min(0).describe('bytes a second'),
  txBps: z.number().min(0).describe('bytes a second'),
  connections: z.int().min(0),
  configVersion: z.string().max(64).nullable(),
  accessList: z.string().max(64).nullish().describe('which access list it has'),
  accessSeq: z.int().min(0).nullish().describe('the last change of it that it has'),
})

/** What became of a configuration. */
export const ackSchema = z.object({
  version: z.string().min(1).max(64),
  status: z.enum(['applied', 'failed']),
  error: z.string().max(10_000).optional(),
})
