import { request } from 'undici'
import { repeat } from '../core/repeat.js'
import type { Clock } from '../ports/clock.js'
import type { Db } from '../store/client.js'
import { markSent, type NotificationView, unsentNotifications } from '../store/notifications.js'

/** Tells the operators of every notice: in the log, and at their own address when there is one, until that takes it. */
export function startNotifier(parts: {
  db: Db
  url: string | undefined
  clock: Clock
  /** Milliseconds between two looks. */
  every: number
  log: { info(message: string): void; warn(message: string): void }
}): { close(): Promise<void> } {
  const deliver = async () => {
    for (const notice of await unsentNotifications(parts.db, 50)) {
      if (parts.url) await post(parts.url, notice)
      parts.log.warn(`${notice.kind}: ${notice.text}`)
      await markSent(parts.db, notice.id, parts.clock.now())
    }
  }
  const loop = repeat(parts.every, deliver, error =>
    parts.log.warn(`notice not delivered, will be tried again: ${error.message}`),
  )
  return { close: () => loop.stop() }
}

async function post(url: string, notice: NotificationView): Promise<void> {
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(notice),
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  })
  await answer.body.dump()
  // The address may hold a secret: it is not named.
  if (answer.statusCode >= 300) throw new Error(`LAZARUS_NOTIFY_URL answered ${answer.statusCode}`)
}
