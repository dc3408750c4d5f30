import type { RequestHandler } from 'express'
import { z } from 'zod'
import type { Vault } from '../ports/records.js'
import { accessSince, wholeAccess } from '../store/access.js'
import { type Db, fileMark } from '../store/client.js'
import { newId } from '../store/ids.js'
import { fieldErrors, invalid } from './mount.js'

/** Which list an agent has and how far; without both it gets the whole. */
export const accessQuery = z.object({
  list: z.string().max(64).optional(),
  since: z
    .string()
    .regex(/^\d{1,15}$/, 'a whole number')
    .optional()
    .describe('the number of the last change it has'),
})

/** One answer, ready to be sent to any number of nodes. `seq` is the last change in it. */
interface Answer {
  seq: number
  body: Buffer
}

/** How long an answer is kept at most, milliseconds: as long as a fleet may take to ask for it. */
const KEPT = 60_000
/** Answers kept at once; nodes that keep up all ask for the same one. */
const MOST = 8

/**
 * The id of the access list of this database file: numbers of another mean nothing here, nor those that were given
 * after the copy was made from which the database was put back.
 */
export const accessListId = async (db: Db, vault: Vault): Promise<string> =>
  `${await vault.getOrCreate('access-list', async () => newId('a'))}-${await fileMark(db)}`

/**
 * Answers agents that ask for the access list: what came after the number they have, or all of it when their list is
 * another one or too old. Two hundred nodes that ask at once cost one look into the database.
 */
export function createAgentAccess(options: {
  db: Db
  list: string
  /** The number of the last change, as beats are told. */
  head: () => number
}): { serve: RequestHandler; close(): void } {
  const { db, list } = options
  const shelf = createShelf(options.head)

  async function whole(): Promise<Answer> {
    const { seq, pieces } = await wholeAccess(db)
    const head = JSON.stringify({ list, seq, full: true })
    return toAnswer(seq, [`${head.slice(0, -1)},"access":`, ...pieces, '}'])
  }

  async function delta(from: number): Promise<Answer | null> {
    const found = await accessSince(db, from)
    if (!found) return null
    const head = JSON.stringify({ list, from, seq: found.seq, full: false })
    return toAnswer(found.seq, [`${head.slice(0, -1)},"access":`, found.access, '}'])
  }

  return {
    async serve(req, res) {
      const query = accessQuery.safeParse(req.query)
      if (!query.success) throw invalid(fieldErrors('query', query.error))
      const since = query.data.list === list ? query.data.since : undefined
      const news = since && (await shelf.get(since, () => delta(Number(since))))
      const { body } = news || ((await shelf.get('whole', whole)) as Answer)
      // Its length goes along: a list that was cut off must not be taken for a whole one.
      res
        .set({ 'content-length': String(body.length), 'cache-control': 'no-store' })
        .type('json')
        .end(body)
    },
    close: () => shelf.close(),
  }
}

const toAnswer = (seq: number, texts: readonly string[]): Answer => ({
  seq,
  body: Buffer.concat(texts.map(text => Buffer.from(text))),
})

/** Answers being made or made; one is used again as long as nothing has changed since. */
function createShelf(head: () => number) {
  const kept = new Map<string, Promise<Answer | null>>()
  const sweeping = setInterval(() => kept.clear(), KEPT).unref()

  function make(key: string, build: () => Promise<Answer | null>): Promise<Answer | null> {
    const made = build()
    kept.set(key, made)
    const [oldest] = kept.keys()
    if (kept.size > MOST && oldest !== undefined) kept.delete(oldest)
    made.catch(() => drop(key, made))
    return made
  }

  function drop(key: string, made: Promise<Answer | null>): void {
    if (kept.get(key) === made) kept.delete(key)
  }

  return {
    /** An answer that is not older than what beats were told when this was called. */
    async get(key: string, build: () => Promise<Answer | null>): Promise<Answer | null> {
      const told = head()
      for (;;) {
        const known = kept.get(key)
        if (!known) return make(key, build)
        const found = await known
        if (found && found.seq >= told) return found
        drop(key, known)
      }
    },
    close: () => clearInterval(sweeping),
  }
}
