import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { fakeWorld } from '../../test/support/fake-ports.js'
import { inWorld } from '../../test/support/run-job.js'
import type { AnyJob } from '../core/define-job.js'
import { createRegistry } from '../core/registry.js'
import { workflows } from '../workflows/index.js'
import { jobs } from './index.js'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/adding-a-job.md'), 'utf8')

/** The page's listing of a file, its imports made absolute. */
function listing(path: string): string {
  const [, code] = page.split(`\`\`\`ts\n// ${path}\n`)
  if (code === undefined) throw new Error(`docs/adding-a-job.md does not list ${path}`)
  return code.slice(0, code.indexOf('```')).replace(/from '\.\.\/(?=\w)/g, `from '${root}src/`)
}

test('the job on the page does what the page says', async () => {
  // Inside the checkout, so that packages are found.
  mkdirSync(join(root, '.cache'), { recursive: true })
  const directory = mkdtempSync(join(root, '.cache', 'page-'))
  afterAll(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'dns-describe.ts')
  writeFileSync(file, listing('src/jobs/dns-describe.ts'))
  const { dnsDescribe } = (await import(file)) as { dnsDescribe: AnyJob }
  expect(() => createRegistry([...jobs, dnsDescribe], workflows)).not.toThrow()

  const world = fakeWorld()
  const job = inWorld(dnsDescribe, world)
  const input = { node: 'edge-1', pool: 'edge', zone: 'lazarus.test' }
  expect(await job.run(input)).toEqual({ text: 'pool=edge' })
  expect(world.dns.records.size).toBe(1)
  await job.undo(input)
  expect(world.dns.records.size).toBe(0)
})

test('every file that the page names is there', () => {
  const named = [...page.matchAll(/`((?:src|docs)\/[\w./-]+\.ts)`/g)].map(match => match[1] ?? '')
  expect(named.length).toBeGreaterThan(5)
  for (const path of new Set(named)) expect(readFileSync(join(root, path), 'utf8'), path).not.toBe('')
})
