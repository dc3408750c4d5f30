import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { until } from '../../test/support/wait.js'
import { type Clock, systemClock } from '../ports/clock.js'
import { openDatabase } from '../store/client.js'
import { createNoticeBoard, unsentNotifications } from '../store/notifications.js'
import { startNotifier } from './notifier.js'

const db = await openDatabase(join(tempDir(), 'notices.db'))
afterAll(() => db.$disconnect())

/** What the receiver answers to a notice of this text; null: never. */
type Answer = (text: string) => number | null
const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
  await db.notification.deleteMany()
})

/** A notifier, the texts that its receiver was sent in order, and what it logged. */
async function start(answer: Answer, clock: Clock = systemClock) {
  const received: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', part => {
      body += part
    })
    request.on('end', () => {
      const { text } = JSON.parse(body)
      received.push(text)
      const status = answer(text)
      if (status !== null) response.writeHead(status).end()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`
  const warnings: string[] = []
  const log = { info: () => undefined, warn: (line: string) => void warnings.push(line) }
  const notifier = startNotifier({ db, url, clock, every: 5, log })
  closers.push(() => {
    server.closeAllConnections()
    server.close()
    return notifier.close()
  })
  return { received, warnings }
}

async function tell(...texts: string[]): Promise<void> {
  const board = createNoticeBoard(db)
  for (const text of texts) await board.tell({ once: text, kind: 'node-dead', subject: 'edge-1', text })
}
const unsent = async () => (await unsentNotifications(db, { after: 0, limit: 9 })).map(({ text }) => text)
const allSent = () => until(async () => (await unsent()).length === 0)

test("a notice reaches the operators' address once, after as many tries as it takes", async () => {
  let refuse = 2
  await tell('edge-1 is dead')
  const { received, warnings } = await start(() => (refuse-- > 0 ? 503 : 204))
  await allSent()
  expect(received).toEqual(Array(3).fill('edge-1 is dead'))
  expect(warnings.filter(line => line.includes('answered 503'))).toHaveLength(2)
  expect(warnings.filter(line => line === 'node-dead: edge-1 is dead')).toHaveLength(1)
  expect(warnings.join()).not.toContain('secret-path')
})

test('one that the receiver refuses for good is told once and keeps no other back', async () => {
  await tell('bad', 'good')
  const { received, warnings } = await start(text => (text === 'bad' ? 400 : 204))
  await allSent()
  expect(received).toEqual(['bad', 'good'])
  expect(warnings.filter(line => line.includes('not sent again'))).toEqual([
    expect.stringMatching(/^notice \d+ \(node-dead\) .*answered 400$/),
  ])
})

test.each([408, 429, 500])(
  'one that meets a %i is tried again after a growing pause; the others go on',
  async status => {
    const clock = { time: new Date('2026-01-01T00:00:00Z'), now: () => clock.time }
    await tell('bad', 'good')
    const { received, warnings } = await start(text => (text === 'bad' ? status : 204), clock)
    await until(() => received.includes('good'))
    const tries = () => warnings.filter(line => line.includes('will be tried again')).length
    const later = (ms: number) => {
      clock.time = new Date(clock.time.getTime() + ms)
    }
    /** Whatever is due is tried before what is newer. */
    const looked = async (text: string) => {
      await tell(text)
      await until(() => received.includes(text))
    }
    expect(tries()).toBe(1)
    later(10)
    await until(() => tries() === 2)
    later(10)
    await looked('one')
    await looked('two')
    expect(tries()).toBe(2)
    later(10)
    await until(() => tries() === 3)
    expect(await unsent()).toEqual(['bad'])
  },
)

test('a receiver that never answers keeps nothing out of the log', async () => {
  await tell('first')
  const { received, warnings } = await start(() => null)
  await until(() => received.length === 1)
  await tell('second')
  await until(() => warnings.includes('node-dead: second'))
  expect(warnings).toContain('node-dead: first')
})

test('without an address a notice is in the log once', async () => {
  await tell('alone')
  const warnings: string[] = []
  const log = { info: () => undefined, warn: (line: string) => void warnings.push(line) }
  const notifier = startNotifier({ db, url: undefined, clock: systemClock, every: 5, log })
  await allSent()
  await notifier.close()
  expect(warnings).toEqual(['node-dead: alone'])
})
