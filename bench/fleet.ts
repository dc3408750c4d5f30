import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDatabase } from '../src/store/client.js'
import { hashToken } from '../src/store/tokens.js'
import { startRedis } from '../test/support/redis.js'

/** A Redis and a database with so many ready nodes, `bench-<n>`, whose agents have the key `key-<n>`. */
export async function openFleet(nodes: number) {
  const redis = await startRedis()
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-bench-'))
  const file = join(directory, 'bench.db')
  const db = await openDatabase(file)
  await db.pool.create({ data: { name: 'bench', zone: 'bench.test', image: 'none' } })
  await db.node.createMany({
    data: Array.from({ length: nodes }, (_, number) => ({
      ...{ name: `bench-${number}`, poolName: 'bench', zone: 'bench.test', state: 'ready' },
      ...{ fqdn: `bench-${number}.bench.bench.test`, agentKeyHash: hashToken(`key-${number}`) },
    })),
  })
  /** Ends both, and leaves nothing behind. */
  const close = async () => {
    await db.$disconnect()
    await redis.stop()
    rmSync(directory, { recursive: true })
  }
  return { redis, file, db, close }
}
