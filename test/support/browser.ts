import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { type Browser, chromium } from 'playwright-core'
import { afterAll } from 'vitest'
import { tempDir } from './temp.js'

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const ALONE = join(import.meta.dirname, 'browser-alone.mjs')

/** Where Chromium is on this machine, or undefined. */
export const chromiumPath = (): string | undefined => PLACES.find(existsSync)

/**
 * A headless Chromium that can reach the server at `url` (on 127.0.0.1) and nothing else; it is closed after the
 * test file. Needs root. Throws when there is no Chromium: `make setup` installs it.
 */
export async function openBrowser(url: string): Promise<Browser> {
  const path = chromiumPath()
  if (!path) throw new Error('no chromium on this machine: apt-get install chromium')
  const { port } = new URL(url)
  const socket = join(tempDir(), 'server.sock')
  const door = createServer(client =>
    // Either end may go first, as between browser and server.
    pipeline(client, connect(Number(port), '127.0.0.1'), client, () => undefined),
  ).listen(socket)
  const { PATH = '', HOME = '/root', TMPDIR } = process.env
  const browser = await chromium.launch({
    executablePath: ALONE,
    // As root, Chromium refuses to start with its own sandbox; it only sees pages of the test.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    env: { PATH, HOME, ...(TMPDIR && { TMPDIR }), BROWSER: path, BROWSER_PORT: port, BROWSER_SOCKET: socket },
  })
  afterAll(async () => {
    await browser.close()
    door.close()
  })
  return browser
}
