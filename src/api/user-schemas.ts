import { z } from 'zod'
import type { Term } from '../store/user-actions.js'
import type { NewUser } from '../store/users.js'

/** A name for people: it goes into links and files, so nothing invisible may stand in it. */
const label = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^[^\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]*$/u, 'text without control or invisible characters')
const expiry = z.iso.datetime({ offset: true }).nullable()

/** A plan's name: it stands in URLs. */
export const planName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$/, 'letters, digits, "_", "." and "-", at most 40')

const note = z.string().max(1_000)
export const newUser = z.strictObject({
  name: label.describe('no two users have the same'),
  note: note.default(''),
  plan: planName.nullable().default(null).describe('null: no limits'),
  expiresAt: expiry.optional().describe('null: never; without it, what the plan says'),
  enabled: z.boolean().default(true),
})
export const userChange = z
  .strictObject({
    name: label.optional(),
    note: note.optional(),
    plan: planName.nullable().optional(),
    expiresAt: expiry.optional(),
    enabled: z.boolean().optional(),
  })
  .refine(change => Object.keys(change).length > 0, 'name what is to change')

/** How much a renewal adds. */
export const termShape = {
  months: z.int().min(1).max(120).optional(),
  days: z.int().min(1).max(3_660).optional(),
}

/** Says no to a term in both units. */
export const oneUnit = [
  ({ months, days }: Term) => months === undefined || days === undefined,
  'give "months" or "days", not both',
] as const

/** A condition of a list, as it stands in a query. */
export const yesNo = z
  .enum(['true', 'false'])
  .transform(word => word === 'true')
  .optional()

/** A user as asked for, with the end that the plan (its `days`, null: none) gives when none was named. */
export const withEnd = (
  { expiresAt, ...user }: z.output<typeof newUser>,
  days: number | null,
  now: Date,
): NewUser => ({ ...user, expiresAt: expiresAt === undefined ? daysFrom(now, days) : asDate(expiresAt) })

const daysFrom = (now: Date, days: number | null): Date | null =>
  days === null ? null : new Date(now.getTime() + days * 86_400_000)
const asDate = (text: string | null): Date | null => (text === null ? null : new Date(text))
