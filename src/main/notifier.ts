import { request } from 'undici'
import { messageOf } from '../core/errors.js'
import { repeat } from '../core/repeat.js'
import type { Clock } from '../ports/clock.js'
import type { Db } from '../store/client.js'
import { isUnsent, markSent, type NotificationView, unsentNotifications } from '../store/notifications.js'

interface Parts {
  db: Db
  url: string | undefined
  clock: Clock
  /** Milliseconds between two looks. */
  every: number
  log: { info(message: string): void; warn(message: string): void }
}

/** A notice on its way to the operators' address. */
interface Letter {
  notice: NotificationView
  tries: number
  /** When it is tried next, epoch milliseconds. */
  due: number
  /** Taken, or refused for good: it only has to be marked. */
  over: boolean
}

/** The longest pause between two tries of one notice, milliseconds. */
const LONGEST = 600_000

/**
 * Tells the operators of every notice: in the log, and at their own address when there is one, until that takes it or
 * refuses it for good. What one notice meets holds up no other.
 */
export function startNotifier(parts: Parts): { close(): Promise<void> } {
  const { db, url, every, log } = parts
  const letters = new Map<number, Letter>()
  let seen = 0
  let closing = false

  async function look(): Promise<void> {
    for (const notice of await unsentNotifications(db, { after: seen, limit: 50 })) {
      log.warn(`${notice.kind}: ${notice.text}`)
      seen = notice.id
      letters.set(notice.id, { notice, tries: 0, due: 0, over: url === undefined })
    }
  }

  async function deliver(): Promise<void> {
    for (const letter of letters.values()) {
      if (closing) return
      if (letter.due > parts.clock.now().getTime()) continue
      const { id } = letter.notice
      // Another worker may have been faster.
      if (url && !letter.over && (await isUnsent(db, id))) await attempt(parts, url, letter)
      else letter.over = true
      if (!letter.over) continue
      await markSent(db, id, parts.clock.now())
      letters.delete(id)
    }
  }

  // Two loops: an address that answers late or never must not keep notices out of the log.
  const loops = [look, deliver].map(work =>
    repeat(every, work, error => log.warn(`notices, will be looked at again: ${error.message}`)),
  )
  return {
    async close() {
      closing = true
      await Promise.all(loops.map(loop => loop.stop()))
    },
  }
}

/** Posts it once. A refusal that no repetition cures ends it; otherwise it comes again after a growing pause. */
async function attempt({ clock, every, log }: Parts, url: string, letter: Letter): Promise<void> {
  const name = `notice ${letter.notice.id} (${letter.notice.kind})`
  const outcome = await post(url, letter.notice).catch(error => ({ taken: false, final: false, error }))
  letter.over = outcome.taken || outcome.final
  if (outcome.taken) return
  const why = messageOf(outcome.error)
  if (outcome.final) return log.warn(`${name} was refused and is not sent again: ${why}`)
  letter.tries += 1
  const pause = Math.min(every * 2 ** letter.tries, LONGEST)
  letter.due = clock.now().getTime() + pause
  log.warn(`${name} not delivered, will be tried again in ${pause / 1000} s: ${why}`)
}

interface Outcome {
  taken: boolean
  /** Refused in a way that the same notice always meets. */
  final: boolean
  error: unknown
}

async function post(url: string, notice: NotificationView): Promise<Outcome> {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(notice),
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  })
  await body.dump()
  return {
    taken: statusCode < 300,
    final: statusCode >= 400 && statusCode < 500 && statusCode !== 408 && statusCode !== 429,
    // The address may hold a secret: it is not named.
    error: new Error(`LAZARUS_NOTIFY_URL answered ${statusCode}`),
  }
}
