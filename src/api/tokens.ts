import { z } from 'zod'
import { createToken, listTokens, revokeToken } from '../store/tokens.js'
import { badField, notFound } from './problem.js'
import { byId, defineRoute } from './route.js'
import { ALL_SCOPES, scopeSchema } from './scopes.js'
import { tokenView } from './views.js'

const newToken = z.strictObject({
  name: z.string().trim().min(1).max(100).describe('who or what uses it'),
  scopes: z.array(scopeSchema).min(1, `one or more of: ${ALL_SCOPES.join(', ')}`),
  expiresAt: z.iso.datetime({ offset: true }).nullable().default(null).describe('null: never'),
})

export const tokenRoutes = [
  defineRoute({
    method: 'get',
    path: '/tokens',
    tag: 'tokens',
    summary: 'All tokens, without their secrets.',
    scope: 'tokens:admin',
    answer: {
      status: 200,
      text: 'the tokens',
      schema: z.object({ items: z.array(tokenView), next: z.null() }),
    },
    handle: async ({ deps }) => ({ status: 200, body: { items: await listTokens(deps.db), next: null } }),
  }),
  defineRoute({
    method: 'post',
    path: '/tokens',
    tag: 'tokens',
    summary: 'Creates a token. This answer is the only one that ever shows it.',
    scope: 'tokens:admin',
    body: newToken,
    action: 'token.create',
    answer: { status: 201, text: 'the token', schema: tokenView.extend({ token: z.string() }) },
    handle: async ({ deps, body, tokensChanged }) => {
      const expiresAt = body.expiresAt === null ? null : future(body.expiresAt, deps.ports.clock.now())
      const { token, view } = await createToken(deps.db, { ...body, expiresAt })
      tokensChanged()
      return { status: 201, body: { ...view, token }, headers: { location: `/api/v1/tokens/${view.id}` } }
    },
  }),
  defineRoute({
    method: 'delete',
    path: '/tokens/{id}',
    tag: 'tokens',
    summary: 'Revokes a token at once.',
    scope: 'tokens:admin',
    params: byId,
    action: 'token.revoke',
    answer: { status: 204, text: 'revoked' },
    handle: async ({ deps, params, tokensChanged }) => {
      if (!(await revokeToken(deps.db, params.id, deps.ports.clock.now()))) throw notFound('token', params.id)
      tokensChanged()
      return { status: 204 }
    },
  }),
]

/** A time that lies ahead. Throws 422 otherwise. */
export function future(text: string, now: Date): Date {
  const time = new Date(text)
  if (time > now) return time
  throw badField('body.expiresAt', `must lie ahead; it is now ${now.toISOString()}`)
}
