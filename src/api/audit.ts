import { listAudit } from '../store/audit.js'
import { listNotifications } from '../store/notifications.js'
import { numberCursor, numberedPage } from './paging.js'
import { defineRoute, page, pageOf } from './route.js'
import { auditView, notificationView } from './views.js'

export const auditRoutes = [
  defineRoute({
    method: 'get',
    path: '/audit',
    tag: 'audit',
    summary: 'Who changed what, newest first.',
    scope: 'tokens:admin',
    query: page,
    answer: { status: 200, text: 'a page of the audit', schema: pageOf(auditView) },
    handle: async ({ deps, query }) => {
      const rows = await listAudit(deps.db, { limit: query.limit + 1, before: numberCursor(query.cursor) })
      return { status: 200, body: numberedPage(rows, query.limit) }
    },
  }),
  defineRoute({
    method: 'get',
    path: '/notifications',
    tag: 'audit',
    summary: 'What the operators were told, newest first.',
    scope: 'fleet:read',
    query: page,
    answer: { status: 200, text: 'a page of notices', schema: pageOf(notificationView) },
    handle: async ({ deps, query }) => {
      const rows = await listNotifications(deps.db, {
        limit: query.limit + 1,
        before: numberCursor(query.cursor),
      })
      return { status: 200, body: numberedPage(rows, query.limit) }
    },
  }),
]
