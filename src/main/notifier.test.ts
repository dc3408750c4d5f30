import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { systemClock } from '../ports/clock.js'
import { openDatabase } from '../store/client.js'
import { createNoticeBoard, unsentNotifications } from '../store/notifications.js'
import { startNotifier } from './notifier.js'

const db = await openDatabase(join(tempDir(), 'notices.db'))
afterAll(() => db.$disconnect())

test("a notice reaches the operators' address once, after as many tries as it takes", async () => {
  const received: string[] = []
  let refuse = 2
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', part => {
      body += part
    })
    request.on('end', () => {
      if (refuse-- > 0) return response.writeHead(503).end()
      received.push(JSON.parse(body).text)
      response.writeHead(204).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`
  const warnings: string[] = []
  const log = { info: () => undefined, warn: (line: string) => warnings.push(line) }
  await createNoticeBoard(db).tell({
    once: 'a',
    kind: 'node-dead',
    subject: 'edge-1',
    text: 'edge-1 is dead',
  })
  const notifier = startNotifier({ db, url, clock: systemClock, every: 5, log })
  await until(async () => (await unsentNotifications(db, 1)).length === 0)
  await notifier.close()
  server.close()
  expect(received).toEqual(['edge-1 is dead'])
  expect(warnings.filter(line => line.includes('answered 503'))).toHaveLength(2)
  expect(warnings.join()).not.toContain('secret-path')
})
