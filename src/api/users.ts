import { z } from 'zod'
import { createUsers } from '../store/new-users.js'
import { daysOfPlans } from '../store/plans.js'
import { deleteUsers } from '../store/user-actions.js'
import { getUser, listUsers, type UserConflict, updateUser } from '../store/users.js'
import { badField, notFound, Problem } from './problem.js'
import { byId, defineRoute, page, pageOf } from './route.js'
import { future } from './tokens.js'
import { linkOf, linkView } from './user-links.js'
import { newUser, planName, userChange, withEnd, yesNo } from './user-schemas.js'
import { userView } from './views.js'

const filter = page.extend({
  name: z.string().max(200).optional().describe('the whole name'),
  plan: planName.optional(),
  enabled: yesNo,
  over: yesNo.describe('whether the traffic of the period is used up'),
  expired: yesNo,
  search: z.string().max(100).optional().describe('part of the name or of the note'),
})

export const userRoutes = [
  defineRoute({
    method: 'get',
    path: '/users',
    tag: 'users',
    summary: 'Who may pass the gate of the edges, newest first.',
    scope: 'fleet:read',
    query: filter,
    answer: { status: 200, text: 'a page of users', schema: pageOf(userView) },
    handle: async ({ deps, query }) => ({
      status: 200,
      body: await listUsers(deps.db, query, deps.ports.clock.now()),
    }),
  }),
  defineRoute({
    method: 'post',
    path: '/users',
    tag: 'users',
    summary: 'Creates a user; only the name is needed. The answer has the token and the link for clients.',
    scope: 'fleet:write',
    body: newUser,
    action: 'user.create',
    answer: { status: 201, text: 'the user', schema: userView.extend(linkView.shape) },
    handle: async call => {
      const { deps, body } = call
      const now = deps.ports.clock.now()
      if (typeof body.expiresAt === 'string') future(body.expiresAt, now)
      const plans = await daysOfPlans(deps.db, body.plan === null ? [] : [body.plan])
      if (body.plan !== null && !plans.has(body.plan)) throw refusal('no-such-plan', body)
      const user = withEnd(body, plans.get(body.plan ?? '') ?? null, now)
      const made = await createUsers(deps.db, deps.sealer, [user], now)
      if (typeof made === 'string') throw refusal(made, body)
      const [stored] = made
      if (!stored) throw new Error('a new user was removed while it was being made')
      const headers = { location: `/api/v1/users/${stored.view.id}` }
      return { status: 201, body: { ...stored.view, ...linkOf(deps, stored.token) }, headers }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/users/{id}',
    tag: 'users',
    summary: 'One user.',
    scope: 'fleet:read',
    params: byId,
    answer: { status: 200, text: 'the user', schema: userView },
    handle: async ({ deps, params }) => {
      const found = await getUser(deps.db, params.id)
      if (!found) throw notFound('user', params.id)
      return { status: 200, body: found }
    },
  }),
  defineRoute({
    method: 'patch',
    path: '/users/{id}',
    tag: 'users',
    summary: 'Changes a user: name, note, plan, end (also to now), on or off.',
    scope: 'fleet:write',
    params: byId,
    body: userChange,
    action: 'user.update',
    answer: { status: 200, text: 'the user', schema: userView },
    handle: async call => {
      const { deps, params, body } = call
      const expiresAt = typeof body.expiresAt === 'string' ? new Date(body.expiresAt) : body.expiresAt
      const changed = await updateUser(deps.db, params.id, { ...body, expiresAt })
      if (!changed) throw notFound('user', params.id)
      if (typeof changed === 'string') throw refusal(changed, body)
      return { status: 200, body: changed }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/users/{id}',
    tag: 'users',
    summary: 'Removes a user with what is known of it; the token stops working as soon as the edges know.',
    scope: 'fleet:write',
    params: byId,
    action: 'user.delete',
    answer: { status: 204, text: 'removed' },
    handle: async call => {
      const { deps, params } = call
      if ((await deleteUsers(deps.db, [params.id])) === 0) throw notFound('user', params.id)
      return { status: 204 }
    },
  }),
]

/** What a conflict of the store means to a caller. */
export function refusal(
  conflict: UserConflict,
  { name, plan }: { name?: string | undefined; plan?: string | null | undefined },
): Problem {
  if (conflict === 'no-such-plan') return badField('body.plan', `there is no plan "${plan}": see GET /plans`)
  return new Problem(409, 'user-exists', `There is a user "${name}" already: choose another name.`)
}
