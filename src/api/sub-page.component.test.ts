import { expect, it } from 'vitest'
import { startApi } from '../../test/support/api.js'
import { openBrowser } from '../../test/support/browser.js'

const api = await startApi()
const browser = await openBrowser(api.url)

it('the page of usage works in a browser with nothing from elsewhere, in dark as in light, in Chinese too', async () => {
  await api.call('POST', '/api/v1/plans', { name: 'basic', traffic: 10_000_000_000 })
  const user = (await api.call('POST', '/api/v1/users', { name: 'ann', plan: 'basic' })).body
  await api.deps.db.user.update({ where: { id: user.id }, data: { up: 1e9, down: 4e9 } })
  const context = await browser.newContext({ colorScheme: 'dark', locale: 'zh-CN' })
  const page = await context.newPage()
  const loaded: string[] = []
  const complaints: string[] = []
  page.on('request', request => loaded.push(request.url()))
  page.on('console', message => complaints.push(message.text()))
  page.on('pageerror', error => complaints.push(error.message))

  await page.goto(`${api.url}/sub/${user.token}`)
  expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('ann')
  expect(await page.locator('progress').evaluate((bar: { position: number }) => bar.position)).toBe(0.5)
  expect(await page.locator('.state').textContent()).toBe('正常')
  expect(await page.locator('input').first().inputValue()).toBe(user.link)
  expect((await page.locator('svg').boundingBox())?.width).toBeGreaterThan(150)
  await page.getByRole('button', { name: '复制' }).first().click()
  await page.getByRole('button', { name: '已复制' }).waitFor()
  const ground = () => page.evaluate('getComputedStyle(document.documentElement).colorScheme')
  expect(await ground()).toBe('light dark')
  expect(loaded.filter(url => !url.startsWith(`${api.url}/sub/`))).toEqual([])
  expect(complaints).toEqual([])
})
