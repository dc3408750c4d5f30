// Opens the Redis of a data directory as soon as it is told to, and writes its address on standard error.
import { once } from 'node:events'
import { openRedis } from '../../src/main/redis.js'

process.stdout.write('{}\n')
await once(process.stdin, 'data')
const { url } = await openRedis(undefined, process.argv[2] ?? '', () => undefined)
process.stderr.write(`${url}\n`)
process.stdin.destroy()
