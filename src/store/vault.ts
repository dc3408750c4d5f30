import type { Vault } from '../ports/records.js'
import type { Db } from './client.js'
import type { Sealer } from './seal.js'

/** The vault over the Secret table. Throws `SealError` for a secret that was sealed with another key. */
export function createVault(db: Db, sealer: Sealer): Vault {
  const get = async (name: string) => {
    const row = await db.secret.findUnique({ where: { name } })
    return row && sealer.open(name, row.sealed)
  }
  return {
    get,
    async getOrCreate(name, make) {
      const stored = await get(name)
      if (stored !== null) return stored
      const made = sealer.seal(name, await make())
      // Insert-or-ignore, then read: of two callers, the second gets what the first stored.
      await db.$executeRaw`INSERT INTO "Secret" ("name", "sealed") VALUES (${name}, ${made}) ON CONFLICT DO NOTHING`
      const kept = await get(name)
      if (kept === null) throw new Error(`the secret "${name}" was removed while it was being made`)
      return kept
    },
    async put(name, secret) {
      const sealed = sealer.seal(name, secret)
      await db.secret.upsert({ where: { name }, create: { name, sealed }, update: { sealed } })
    },
    async remove(name) {
      await db.secret.deleteMany({ where: { name } })
    },
  }
}
