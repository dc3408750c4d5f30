import { z } from 'zod'
import { digestSchema } from './values.js'

const entrySchema = z.object({ hash: digestSchema, expiresAt: z.number().int().min(0) })

/** SHA-256 (hex) of a token, with the end of its life in epoch seconds (0: none). */
export type AccessEntry = z.output<typeof entrySchema>

/**
 * The configuration of an edge as JSON text `{"access":{"<hash>":<end>}}`: the same list in any order gives the
 * same text, so that its SHA-256 can be its version. Throws a `ZodError` for a malformed entry, and for one hash with two ends.
 */
export function renderAccess(list: readonly AccessEntry[]): string {
  const access = new Map<string, number>()
  for (const { hash, expiresAt } of z.array(entrySchema).parse(list)) {
    if ((access.get(hash) ?? expiresAt) !== expiresAt) throw new Error('an access list names one token twice')
    access.set(hash, expiresAt)
  }
  const sorted = [...access].sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify({ access: Object.fromEntries(sorted) })
}
