import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'
import { afterAll } from 'vitest'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** Where Chromium is on this machine, or undefined. */
export const chromiumPath = (): string | undefined => PLACES.find(existsSync)

/** A headless Chromium; it is closed after the test file. Throws when there is none: `make setup` installs it. */
export async function openBrowser(): Promise<Browser> {
  const executablePath = chromiumPath()
  if (!executablePath) throw new Error('no chromium on this machine: apt-get install chromium')
  // As root, Chromium refuses to start with its own sandbox; it only sees pages of the test.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
  afterAll(() => browser.close())
  return browser
}
