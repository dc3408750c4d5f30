import { beforeAll, expect, test } from 'vitest'
import { openBrowser } from '../support/browser.js'
import { entryOf } from '../support/program.js'
import { until } from '../support/wait.js'
import { startWorld, type World } from '../support/world.js'
import { ADMIN } from '../support/world-api.js'

const IMPATIENT = entryOf('test/support/impatient.ts')
let world: World

beforeAll(async () => {
  world = await startWorld()
  await world.up(IMPATIENT)
  await world.pool('edge')
})

test('Bull Board shows a failed run as a flow, refuses to remove its job, and its retry button resumes the run', async () => {
  await world.sandbox.fault({ kind: 'apt-fails', times: 20, machine: 'edge-2' })
  const run = await world.rested(await world.scaleOut('edge', 2))
  expect(run).toMatchObject({ status: 'failed', error: { step: 'nodes.edge-2.docker' } })

  const page = await (await openBrowser(world.url)).newPage()
  await page.goto(`${world.url}/ops/queues/queue/runs/${run.id}`)
  await page.fill('#token', ADMIN)
  await page.click('button')
  await page.waitForURL('**/ops/queues**')
  await page.goto(`${world.url}/ops/queues/queue/runs/${run.id}`)
  const flow = page.locator('.react-flow')
  await flow.getByText('pool.scale-out').first().waitFor()
  for (const { job } of run.steps) expect(await flow.getByText(job).count()).toBe(2)
  expect(await flow.getByText('FAILED').count()).toBe(1)

  await world.sandbox.clearFaults()
  const job = `${world.url}/ops/queues/queue/ssh/${run.id}.nodes.edge-2.docker`
  // Bull Board's buttons have pictures and no names.
  const press = async (picture: string, call: string) => {
    const button = page.locator(`main button:has(svg.${picture})`)
    await page.goto(job)
    await button.click()
    const answer = page.waitForResponse(response => response.url().endsWith(call))
    await page.getByRole('button', { name: 'Confirm' }).click()
    return (await answer).status()
  }
  expect(await press('lucide-trash2', '/clean')).toBe(403)
  expect((await world.getRun(run.id)).status).toBe('failed')
  expect(await press('lucide-refresh-cw', '/retry')).toBe(204)
  await until(async () => (await world.getRun(run.id)).status === 'succeeded', { within: 30_000 })
})
