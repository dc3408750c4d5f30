import { z } from 'zod'
import { fieldErrors, invalid } from './mount.js'
import { originAnswer } from './origin.js'
import { Problem } from './problem.js'
import type { Answer } from './route.js'

/*
 * What the routes of upstreams and of domains share.
 */

/** Answers of a change: what was done, or with `?dryRun=true` what it would make of the thing (null: there is none). */
export const changeOf = (thing: z.ZodType) => ({
  status: 200 as const,
  text: 'done',
  schema: z.union([
    originAnswer,
    z.object({ dryRun: z.literal(true), before: thing.nullable(), after: thing.nullable() }),
  ]),
})
export const wouldBe = (before: unknown, after: unknown): Answer => ({
  status: 200,
  body: { dryRun: true, before, after },
})

/** What a change makes of a thing, checked as if it were new. Throws 422 with all that is wrong. */
export function whole<T extends z.ZodObject>(schema: T, thing: unknown): z.output<T> {
  const parsed = schema.safeParse(thing)
  if (!parsed.success) throw invalid(fieldErrors('body', parsed.error))
  return parsed.data
}

/** A change without the fields that it leaves out. */
export const said = <T extends object>(change: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as never

/** 409: there is one of that name. */
export const taken = (kind: string, name: string): Problem =>
  new Problem(409, `${kind}-exists`, `there is a ${kind} ${name} already: modify that one`)
