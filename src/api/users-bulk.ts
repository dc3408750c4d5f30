import { z } from 'zod'
import { createUsers, takenNames } from '../store/new-users.js'
import { daysOfPlans } from '../store/plans.js'
import { deleteUsers, renewUsers, switchUsers, type Term } from '../store/user-actions.js'
import { knownUsers } from '../store/users.js'
import type { ApiDeps } from './deps.js'
import { invalid } from './mount.js'
import { type FieldError, Problem } from './problem.js'
import { defineRoute, dryRun } from './route.js'
import { linkOf, linkView } from './user-links.js'
import { newUser, oneUnit, termShape, withEnd } from './user-schemas.js'
import { userView } from './views.js'

const MOST = 1_000

const newUsers = z.strictObject({ users: z.array(newUser).min(1).max(MOST) })
const ids = z.array(z.string().max(200)).min(1).max(MOST)
const someIds = z.strictObject({ ids })
const idsAndTerm = z.strictObject({ ids, ...termShape }).refine(...oneUnit)
const preview = z.object({ dryRun: z.literal(true), count: z.int() })
const changed = z.object({ changed: z.int() })

type Wanted = z.output<typeof newUsers>['users']

export const userBulkRoutes = [
  defineRoute({
    method: 'post',
    path: '/users/bulk',
    tag: 'users',
    summary: `Creates up to ${MOST} users, all or none; a refusal names everything that is wrong.`,
    scope: 'fleet:write',
    query: dryRun,
    body: newUsers,
    preview,
    action: 'user.create-many',
    answer: {
      status: 201,
      text: 'the users in the order given',
      schema: z.object({ items: z.array(userView.extend(linkView.shape)) }),
    },
    handle: async call => {
      const { deps, query, body } = call
      const now = deps.ports.clock.now()
      const plans = await requireCreatable(deps, body.users, now)
      if (query.dryRun) return { status: 200, body: { dryRun: true, count: body.users.length } }
      const users = body.users.map(user => withEnd(user, plans.get(user.plan ?? '') ?? null, now))
      const made = await createUsers(deps.db, deps.sealer, users, now)
      // Only when another request was quicker since the look above: which of them it was, the next try says.
      if (typeof made === 'string') throw overtaken()
      return {
        status: 201,
        body: { items: made.map(({ token, view }) => ({ ...view, ...linkOf(deps, token) })) },
      }
    },
  }),
  bulkRoute('enable', 'Lets these users pass.', someIds, (db, ids) => switchUsers(db, ids, true)),
  bulkRoute('disable', 'Lets these users pass no more.', someIds, (db, ids) => switchUsers(db, ids, false)),
  bulkRoute('delete', 'Removes these users.', someIds, deleteUsers),
  bulkRoute('renew', 'Moves the ends of these users on, as one renewal does.', idsAndTerm, renewUsers),
]

/** A route that does the same to many users. */
function bulkRoute<B extends typeof someIds | typeof idsAndTerm>(
  verb: string,
  summary: string,
  body: B,
  change: (db: ApiDeps['db'], ids: string[], term: Term, now: Date) => Promise<unknown>,
) {
  return defineRoute({
    method: 'post',
    path: `/users/bulk/${verb}`,
    tag: 'users',
    summary,
    scope: 'fleet:write',
    query: dryRun,
    body,
    preview,
    action: `user.${verb}-many`,
    answer: { status: 200, text: 'how many', schema: changed },
    handle: async call => {
      const { deps, query } = call
      const { ids: given, ...rest } = call.body as z.output<typeof idsAndTerm>
      await requireUsers(deps, given)
      const ids = [...new Set(given)]
      if (query.dryRun) return { status: 200, body: { dryRun: true, count: ids.length } }
      await change(deps.db, ids, rest, deps.ports.clock.now())
      return { status: 200, body: { changed: ids.length } }
    },
  })
}

const overtaken = (): Problem =>
  new Problem(
    409,
    'overtaken',
    'Another request took one of these names, or removed one of these plans, just now: try again.',
  )

/** Throws 422 that names every id nobody has. */
async function requireUsers({ db }: ApiDeps, ids: readonly string[]): Promise<void> {
  const known = await knownUsers(db, ids)
  const errors = ids.flatMap((id, index) =>
    known.has(id) ? [] : [{ field: `body.ids.${index}`, message: 'there is no such user' }],
  )
  if (errors.length > 0) throw invalid(errors)
}

/** The plans of these users. Throws 422 that names every name that is taken, plan that is not there and end that has passed. */
async function requireCreatable({ db }: ApiDeps, users: Wanted, now: Date) {
  const [taken, plans] = await Promise.all([
    takenNames(
      db,
      users.map(user => user.name),
    ),
    daysOfPlans(
      db,
      users.flatMap(user => user.plan ?? []),
    ),
  ])
  const errors: FieldError[] = []
  for (const [index, { name, plan, expiresAt }] of users.entries()) {
    const wrong = (field: string, message: string) =>
      errors.push({ field: `body.users.${index}.${field}`, message })
    if (taken.has(name)) wrong('name', `there is a user "${name}" already, or twice in this list`)
    taken.add(name)
    if (plan !== null && !plans.has(plan)) wrong('plan', `there is no plan "${plan}"`)
    if (typeof expiresAt === 'string' && new Date(expiresAt) <= now) wrong('expiresAt', 'must lie ahead')
  }
  if (errors.length > 0) throw invalid(errors)
  return plans
}
