import { Queue, Worker } from 'bullmq'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { openBrowser } from '../../test/support/browser.js'
import { startRedis } from '../../test/support/redis.js'
import { until } from '../../test/support/wait.js'
import { createBeatQueue } from '../queue/heartbeats.js'

const redis = await startRedis()
const connection = { url: redis.url }
const queue = new Queue('machines', { connection })
const beats = createBeatQueue(redis.url)
const api = await startApi(deps => ({ beats, engine: { ...deps.engine, queues: () => [queue] } }))

beforeAll(async () => {
  const worker = new Worker('machines', () => Promise.reject(new Error('sold out')), { connection })
  await queue.add('machine.buy', { run: 'r1' }, { jobId: 'r1.buy', attempts: 1 })
  await until(async () => (await queue.getFailedCount()) === 1)
  await worker.close()
})
afterAll(async () => {
  await queue.close()
  await beats.close()
  await redis.stop()
})

it('lets a browser in by token, shows what failed, refuses to remove it and retries it', async () => {
  const page = await (await openBrowser(api.url)).newPage()
  const loaded: string[] = []
  page.on('request', request => loaded.push(new URL(request.url()).host))
  const blocked: string[] = []
  page.on('requestfailed', request => blocked.push(new URL(request.url()).host))

  await page.goto(`${api.url}/ops/queues/queue/machines?status=failed`)
  expect(new URL(page.url()).pathname).toBe('/ops/login')
  await page.fill('#token', 'lzr_wrong')
  await page.click('button')
  await page.waitForSelector('[role=alert]')
  await page.fill('#token', ADMIN)
  await page.click('button')
  await page.waitForURL('**/ops/queues**')
  await page.goto(`${api.url}/ops/queues/queue/machines?status=failed`)
  await page.getByText('sold out').first().waitFor()

  const refused = page.waitForResponse(response => response.url().includes('/clean/failed'))
  await page.getByText('Clean all').click()
  await page.getByRole('button', { name: /confirm/i }).click()
  expect((await refused).status()).toBe(403)
  expect(await queue.getFailedCount()).toBe(1)

  await page.goto(`${api.url}/ops/queues/queue/machines?status=failed`)
  await page.getByText('Retry all').click()
  await page.getByRole('button', { name: /confirm/i }).click()
  await until(async () => (await queue.getWaitingCount()) === 1)
  // Bull Board asks for a font from elsewhere; our policy keeps the browser from going there.
  const elsewhere = loaded.filter(host => host !== new URL(api.url).host)
  expect(elsewhere.filter(host => !blocked.includes(host))).toEqual([])
})
