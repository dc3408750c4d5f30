import type { Db } from './client.js'

/** The node that has this address, by name, or null. */
export async function nodeAt(db: Db, address: string): Promise<string | null> {
  const row = await db.node.findFirst({
    where: { OR: [{ ipv4: address }, { ipv6: address }] },
    select: { name: true },
  })
  return row?.name ?? null
}
