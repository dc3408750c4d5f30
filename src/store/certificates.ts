import type { CertificateRecord, CertificateShelf } from '../ports/records.js'
import type { Db } from './client.js'

/** The certificates as kept in the Certificate table. Times are ISO 8601. */
export function createCertificateShelf(db: Db): CertificateShelf {
  return {
    async get(name) {
      const row = await db.certificate.findUnique({ where: { name } })
      return row && { ...row, notBefore: iso(row.notBefore), notAfter: iso(row.notAfter) }
    },
    async put({ name, ...fields }: CertificateRecord) {
      await db.certificate.upsert({ where: { name }, create: { name, ...fields }, update: fields })
    },
    async remove(name) {
      await db.certificate.deleteMany({ where: { name } })
    },
  }
}

const iso = (time: Date | null) => time?.toISOString() ?? null
