import type { Notice, NoticeBoard } from '../ports/fleet.js'
import type { Db } from './client.js'

/** A notice as kept. `at` is ISO 8601. */
export interface NotificationView extends Omit<Notice, 'once'> {
  id: number
  at: string
}

/** The operators' notices over the Notification table. */
export function createNoticeBoard(db: Db): NoticeBoard {
  return {
    async tell({ once, kind, subject, text }) {
      const made = await db.$executeRaw`
        INSERT OR IGNORE INTO "Notification" (once, kind, subject, text, "createdAt")
        VALUES (${once}, ${kind}, ${subject}, ${text}, ${new Date()})`
      return made > 0
    },
  }
}

/** Notices, newest first, those before number `before` when given. */
export async function listNotifications(
  db: Db,
  page: { before?: number | undefined; limit: number },
): Promise<NotificationView[]> {
  const rows = await db.notification.findMany({
    where: page.before === undefined ? {} : { id: { lt: page.before } },
    orderBy: { id: 'desc' },
    take: page.limit,
  })
  return rows.map(view)
}

/** Notices that have not reached the operators' own address, oldest first, of those after number `after`. */
export async function unsentNotifications(
  db: Db,
  page: { after: number; limit: number },
): Promise<NotificationView[]> {
  const rows = await db.notification.findMany({
    where: { sentAt: null, id: { gt: page.after } },
    orderBy: { id: 'asc' },
    take: page.limit,
  })
  return rows.map(view)
}

/** Whether nobody has delivered this notice yet. */
export const isUnsent = async (db: Db, id: number): Promise<boolean> =>
  (await db.notification.count({ where: { id, sentAt: null } })) > 0

/** Marks a notice as delivered. */
export async function markSent(db: Db, id: number, at: Date): Promise<void> {
  await db.notification.updateMany({ where: { id, sentAt: null }, data: { sentAt: at } })
}

const view = (row: { id: number; kind: string; subject: string; text: string; createdAt: Date }) => ({
  id: row.id,
  kind: row.kind,
  subject: row.subject,
  text: row.text,
  at: row.createdAt.toISOString(),
})
