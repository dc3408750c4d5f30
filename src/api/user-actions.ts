import { z } from 'zod'
import { qrSvg } from '../render/subscriptions/qr.js'
import { writeAudit } from '../store/audit.js'
import { renewUsers, resetTraffic, rotateToken, switchUsers, tokenOf } from '../store/user-actions.js'
import { getUser } from '../store/users.js'
import { notFound, Problem } from './problem.js'
import { byId, type Call, defineRoute } from './route.js'
import { linkOf, linkView } from './user-links.js'
import { oneUnit, termShape } from './user-schemas.js'
import { userView } from './views.js'

type AnyCall = Call<{ id: string }, unknown, unknown>

/** A route that does something to one user and answers what became of it. */
const changing = <B extends z.ZodObject>(
  verb: string,
  summary: string,
  body: B,
  change: (call: Call<{ id: string }, unknown, z.output<B>>) => Promise<void>,
) =>
  defineRoute({
    method: 'post',
    path: `/users/{id}/${verb}`,
    tag: 'users',
    summary,
    scope: 'fleet:write',
    params: byId,
    body,
    action: `user.${verb}`,
    answer: { status: 200, text: 'the user', schema: userView },
    handle: async call => {
      await change(call)
      const user = await getUser(call.deps.db, call.params.id)
      if (!user) throw notFound('user', call.params.id)
      return { status: 200, body: user }
    },
  })

const nothing = z.strictObject({})
const now = ({ deps }: Pick<AnyCall, 'deps'>): Date => deps.ports.clock.now()

export const userActionRoutes = [
  changing(
    'renew',
    'Moves the end on from the later of now and the end: by a month, or what the plan or the body says. Traffic is counted anew.',
    z.strictObject(termShape).refine(...oneUnit),
    call => renewUsers(call.deps.db, [call.params.id], call.body, now(call)),
  ),
  changing('enable', 'Lets a user pass.', nothing, ({ deps, params }) =>
    switchUsers(deps.db, [params.id], true),
  ),
  changing('disable', 'Lets a user pass no more; live connections are cut.', nothing, ({ deps, params }) =>
    switchUsers(deps.db, [params.id], false),
  ),
  changing('reset', 'Counts the traffic of the period anew.', nothing, call =>
    resetTraffic(call.deps.db, [call.params.id], now(call)),
  ),
  defineRoute({
    method: 'post',
    path: '/users/{id}/rotate',
    tag: 'users',
    summary: 'Gives a user a new token and a new link; the old ones die.',
    scope: 'fleet:write',
    params: byId,
    action: 'user.rotate',
    answer: { status: 200, text: 'the user', schema: userView.extend(linkView.shape) },
    handle: async call => {
      const { deps, params } = call
      const rotated = await rotateToken(deps.db, deps.sealer, params.id)
      if (!rotated) throw notFound('user', params.id)
      return { status: 200, body: { ...rotated.view, ...linkOf(deps, rotated.token) } }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/users/{id}/link',
    tag: 'users',
    summary: 'The token and the link of a user. Who asks is written into the audit.',
    scope: 'fleet:write',
    params: byId,
    answer: { status: 200, text: 'the link', schema: linkView },
    handle: async call => ({ status: 200, body: linkOf(call.deps, await readToken(call)) }),
  }),
  defineRoute({
    method: 'get',
    path: '/users/{id}/qr.svg',
    tag: 'users',
    summary: 'The link of a user as a QR code. Who asks is written into the audit.',
    scope: 'fleet:write',
    params: byId,
    answer: { status: 200, text: 'the image', type: 'image/svg+xml' },
    handle: async call => {
      const image = qrSvg(linkOf(call.deps, await readToken(call)).link)
      return { stream: res => void res.set('cache-control', 'no-store').type('svg').send(image) }
    },
  }),
]

/** The token of a user, with a row in the audit for having been read. Throws 404, or 409 when nobody knows it. */
async function readToken({ deps, params: { id }, caller, requestId }: AnyCall): Promise<string> {
  const token = await tokenOf(deps.db, deps.sealer, id)
  if (token === null) throw notFound('user', id)
  if (token === undefined)
    throw new Problem(
      409,
      'token-unknown',
      `Of the token of "${id}" only the hash is known: POST /api/v1/users/${id}/rotate makes a new one.`,
    )
  await writeAudit(deps.db, { actor: caller.name, action: 'user.link', target: id, detail: {}, requestId })
  return token
}
