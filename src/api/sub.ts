import { type Request, type Response, Router } from 'express'
import { FORMATS, type FormatName, formatFor } from '../render/subscriptions/formats.js'
import { disposition, type Usage, userInfo } from '../render/subscriptions/headers.js'
import { PAGE_POLICY, renderPage, type Standing } from '../render/subscriptions/page.js'
import { type OpenEdge, openEdges, userByTokenHash } from '../store/deliveries.js'
import { hashToken } from '../store/tokens.js'
import type { UserView } from '../store/users.js'
import type { ApiDeps } from './deps.js'
import type { FailedAuth } from './failed-auth.js'
import { badField } from './problem.js'
import { linkOf } from './user-links.js'

type Deps = Pick<ApiDeps, 'db' | 'ports' | 'settings'>

/** How often clients are to ask again, hours. */
const UPDATE_HOURS = 12

/**
 * `GET /sub/<token>`: what a user's client imports, or the page of usage for a browser. The token is all the
 * authentication there is; whoever guesses is slowed down as with logins, and learns nothing.
 */
export function subRouter(deps: Deps, failedAuth: FailedAuth): Router {
  return Router().get('/sub/:token', async (req, res) => {
    res.locals.route = '/sub/{token}'
    res.set({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-robots-tag': 'noindex' })
    const { token } = req.params
    const user = await userByTokenHash(deps.db, hashToken(token))
    if (!user) {
      await failedAuth.count(req)
      res.status(404).end()
      return
    }
    const standing = standingOf(user, deps.ports.clock.now())
    const endpoints = standing === 'ok' ? await openEdges(deps.db) : []
    answer(req, res, { ...{ deps, token, user, standing, endpoints }, usage: usageOf(user) })
  })
}

interface Delivery {
  deps: Deps
  token: string
  user: UserView
  standing: Standing
  endpoints: OpenEdge[]
  usage: Usage
}

function answer(req: Request, res: Response, delivery: Delivery): void {
  const { deps, user, token, standing, endpoints, usage } = delivery
  const wanted = wantedFormat(req)
  res.set({ 'subscription-userinfo': userInfo(usage), vary: 'Accept, Accept-Language, User-Agent' })
  if (wanted === 'html') {
    const language = req.acceptsLanguages('en', 'zh') === 'zh' ? 'zh' : 'en'
    const { link } = linkOf(deps, token)
    res.set('content-security-policy', PAGE_POLICY).type('html')
    res.send(
      renderPage({ ...{ language, link, standing, usage }, title: user.name, nodes: endpoints.length }),
    )
    return
  }
  const { render, type, extension } = FORMATS[wanted]
  const notice = endpoints.length > 0 ? null : noticeOf(standing, user)
  res.set({
    'content-type': type,
    'content-disposition': disposition(user.name, extension),
    'profile-update-interval': String(UPDATE_HOURS),
  })
  res.send(render({ title: user.name, token, endpoints, notice }))
}

/** What `?format=` names, else a page for browsers, else what the client is known to take. Throws 422. */
function wantedFormat(req: Request): FormatName | 'html' {
  const { format } = req.query
  if (format !== undefined) {
    const named = ['html' as const, ...(Object.keys(FORMATS) as FormatName[])].find(name => name === format)
    if (named) return named
    throw badField('query.format', `choose from html, ${Object.keys(FORMATS).join(', ')}`)
  }
  // Clients accept anything; only a browser asks for HTML by its name.
  return req.get('accept')?.includes('text/html') ? 'html' : formatFor(req.get('user-agent') ?? '')
}

/** Whether a user may pass now, asked at every delivery. */
function standingOf({ enabled, expiresAt, over }: UserView, now: Date): Standing {
  if (!enabled) return 'off'
  if (expiresAt !== null && new Date(expiresAt) <= now) return 'ended'
  return over ? 'over' : 'ok'
}

const usageOf = ({ traffic, expiresAt }: UserView): Usage => ({
  ...{ up: traffic.up, down: traffic.down, limit: traffic.limit },
  expiresAt: expiresAt === null ? null : new Date(expiresAt),
})

/** Why there is nothing to go through; in both languages, since clients do not say which one their user reads. */
function noticeOf(standing: Standing, { expiresAt }: UserView): string {
  if (standing === 'off') return 'Disabled: ask your operator / 已停用，请联系管理员'
  if (standing === 'over') return 'Traffic used up / 流量已用完'
  if (standing === 'ended') return `Expired ${expiresAt?.slice(0, 10)}: please renew / 已到期，请续费`
  return 'No node is up: try again later / 暂无可用节点，请稍后再试'
}
