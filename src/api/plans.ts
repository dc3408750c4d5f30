import { z } from 'zod'
import { createPlan, deletePlan, getPlan, listPlans, PERIODS, updatePlan } from '../store/plans.js'
import { notFound, Problem } from './problem.js'
import { byName, defineRoute, page, pageOf } from './route.js'
import { planName } from './user-schemas.js'
import { planView } from './views.js'

const limits = {
  traffic: z
    .int()
    .min(1)
    .nullable()
    .describe('bytes of one period, both directions together; null: no limit'),
  devices: z.int().min(1).max(1_000).nullable().describe('at once; null: no limit'),
  period: z.enum(PERIODS).describe('when traffic is counted anew, in UTC'),
  days: z
    .int()
    .min(1)
    .max(3_660)
    .nullable()
    .describe('what a new user gets and a renewal adds; null: no end'),
}
const newPlan = z.strictObject({
  name: planName,
  traffic: limits.traffic.default(null),
  devices: limits.devices.default(3),
  period: limits.period.default('month'),
  days: limits.days.default(30),
})
const change = z
  .strictObject(limits)
  .partial()
  .refine(body => Object.keys(body).length > 0, 'name what is to change')

export const planRoutes = [
  defineRoute({
    method: 'get',
    path: '/plans',
    tag: 'users',
    summary: 'Plans by name: what their users may use.',
    scope: 'fleet:read',
    query: page,
    answer: { status: 200, text: 'a page of plans', schema: pageOf(planView) },
    handle: async ({ deps, query }) => ({ status: 200, body: await listPlans(deps.db, query) }),
  }),
  defineRoute({
    method: 'post',
    path: '/plans',
    tag: 'users',
    summary: 'Creates a plan; only the name is needed.',
    scope: 'fleet:write',
    body: newPlan,
    action: 'plan.create',
    answer: { status: 201, text: 'the plan', schema: planView },
    handle: async ({ deps, body }) => {
      const plan = await createPlan(deps.db, body)
      if (!plan)
        throw new Problem(409, 'plan-exists', `There is a plan "${body.name}" already: choose another name.`)
      return { status: 201, body: plan, headers: { location: `/api/v1/plans/${plan.name}` } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/plans/{name}',
    tag: 'users',
    summary: 'One plan.',
    scope: 'fleet:read',
    params: byName,
    answer: { status: 200, text: 'the plan', schema: planView },
    handle: async ({ deps, params }) => {
      const plan = await getPlan(deps.db, params.name)
      if (!plan) throw notFound('plan', params.name)
      return { status: 200, body: plan }
    },
  }),
  defineRoute({
    method: 'patch',
    path: '/plans/{name}',
    tag: 'users',
    summary: 'Changes a plan for all who have it, at once; ends that were given stay.',
    scope: 'fleet:write',
    params: byName,
    body: change,
    action: 'plan.update',
    answer: { status: 200, text: 'the plan', schema: planView },
    handle: async call => {
      const plan = await updatePlan(call.deps.db, call.params.name, call.body)
      if (!plan) throw notFound('plan', call.params.name)
      return { status: 200, body: plan }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/plans/{name}',
    tag: 'users',
    summary: 'Removes a plan that nobody has.',
    scope: 'fleet:write',
    params: byName,
    action: 'plan.delete',
    answer: { status: 204, text: 'removed' },
    handle: async ({ deps, params: { name } }) => {
      const outcome = await deletePlan(deps.db, name)
      if (outcome === 'not-found') throw notFound('plan', name)
      if (outcome === 'in-use')
        throw new Problem(409, 'plan-in-use', `Plan "${name}" has users: give them another one first.`)
      return { status: 204 }
    },
  }),
]
