import { z } from 'zod'
import { messageOf } from '../core/errors.js'
import {
  createSubscription,
  deleteSubscription,
  getSubscription,
  listSubscriptions,
  updateSubscription,
} from '../store/subscriptions.js'
import { publish } from '../workflows/requests.js'
import { requireQueue } from './begin.js'
import { badField, notFound } from './problem.js'
import { byId, type Call, defineRoute, page, pageOf } from './route.js'
import { future } from './tokens.js'
import { subscriptionView } from './views.js'

const expiry = z.iso.datetime({ offset: true }).nullable()
const newSubscription = z.strictObject({
  name: z.string().trim().min(1).max(100),
  expiresAt: expiry.default(null).describe('null: never'),
})
const change = z.strictObject({ enabled: z.boolean().optional(), expiresAt: expiry.optional() })
const withRun = subscriptionView.extend({
  run: z.string().nullable().describe('the run that tells the nodes; null while there are none'),
})

export const subscriptionRoutes = [
  defineRoute({
    method: 'get',
    path: '/subscriptions',
    tag: 'subscriptions',
    summary: 'Who may pass the gate of the edges, newest first.',
    scope: 'fleet:read',
    query: page,
    answer: { status: 200, text: 'a page of subscriptions', schema: pageOf(subscriptionView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listSubscriptions(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/subscriptions',
    tag: 'subscriptions',
    summary: 'Creates a subscription. This answer is the only one that ever shows its token.',
    scope: 'fleet:write',
    body: newSubscription,
    action: 'subscription.create',
    answer: { status: 201, text: 'the subscription', schema: withRun.extend({ token: z.string() }) },
    handle: async call => {
      const { deps, body } = call
      const expiresAt = body.expiresAt === null ? null : future(body.expiresAt, deps.ports.clock.now())
      await requireQueue(deps)
      const { token, view } = await createSubscription(deps.db, { ...body, expiresAt })
      const headers = { location: `/api/v1/subscriptions/${view.id}` }
      return { status: 201, body: { ...view, token, run: await tellNodes(call) }, headers }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/subscriptions/{id}',
    tag: 'subscriptions',
    summary: 'One subscription.',
    scope: 'fleet:read',
    params: byId,
    answer: { status: 200, text: 'the subscription', schema: subscriptionView },
    handle: async ({ deps, params }) => {
      const found = await getSubscription(deps.db, params.id)
      if (!found) throw notFound('subscription', params.id)
      return { status: 200, body: found }
    },
  }),
  defineRoute({
    method: 'patch',
    path: '/subscriptions/{id}',
    tag: 'subscriptions',
    summary: 'Switches a subscription on or off, or moves its end (also to now).',
    scope: 'fleet:write',
    params: byId,
    body: change,
    action: 'subscription.update',
    answer: { status: 200, text: 'the subscription', schema: withRun },
    handle: async call => {
      const { deps, params, body } = call
      if (Object.keys(body).length === 0) throw badField('body', 'give "enabled", "expiresAt" or both')
      await requireQueue(deps)
      const expiresAt = typeof body.expiresAt === 'string' ? new Date(body.expiresAt) : body.expiresAt
      const changed = await updateSubscription(deps.db, params.id, { enabled: body.enabled, expiresAt })
      if (!changed) throw notFound('subscription', params.id)
      return { status: 200, body: { ...changed, run: await tellNodes(call) } }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/subscriptions/{id}',
    tag: 'subscriptions',
    summary: 'Removes a subscription; its token stops working as soon as the nodes know.',
    scope: 'fleet:write',
    params: byId,
    action: 'subscription.delete',
    answer: { status: 204, text: 'removed' },
    handle: async call => {
      await requireQueue(call.deps)
      if (!(await deleteSubscription(call.deps.db, call.params.id)))
        throw notFound('subscription', call.params.id)
      await tellNodes(call)
      return { status: 204 }
    },
  }),
]

/** Publishes the new list to every node that has an agent; null when there is none to tell, or Redis went just now. */
async function tellNodes({ deps, caller, runId }: Call<unknown, unknown, unknown>): Promise<string | null> {
  const nodes = await deps.ports.fleet.publishable()
  if (nodes.length === 0) return null
  try {
    return await deps.engine.start({ ...publish(nodes), actor: caller.name, id: runId })
  } catch (error) {
    // The change itself is stored: refusing now would be untrue. The next change, or an end that comes, publishes it.
    deps.log.error(`a changed subscription is not published yet: ${messageOf(error)}`)
    return null
  }
}
