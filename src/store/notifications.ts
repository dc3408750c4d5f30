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

/** Notices that have not reached the operators' own address, oldest first. */
export async function unsentNotifications(db: Db, limit: number): Promise<NotificationView[]> {
  const rows = await db.notification.findMany({
    where: { sentAt: null },
    orderBy: { id: 'asc' },
    take: limit,
  })
  return rows.map(view)
}

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
