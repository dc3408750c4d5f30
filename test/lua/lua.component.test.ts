import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const SPECS = readdirSync(import.meta.dirname).filter(name => name.endsWith('_spec.lua'))

/** One spec as busted tells it; `message` where it did not hold. */
interface Outcome {
  name: string
  message?: string
}

function busted(file: string): Outcome[] {
  const argv = [
    '/usr/bin/busted',
    '--lpath',
    './lua/?.lua;./test/lua/?.lua',
    '-o',
    'json',
    `test/lua/${file}`,
  ]
  const { stdout, stderr, error } = spawnSync('luajit', argv, { cwd: ROOT, encoding: 'utf8' })
  const json = stdout?.split('\n').find(line => line.startsWith('{'))
  if (!json) return [{ name: `${file} runs`, message: `${stdout}${stderr}${error ?? ''}` }]
  const report: Record<'successes' | 'failures' | 'errors', Outcome[]> = JSON.parse(json)
  return [
    ...report.successes.map(({ name }) => ({ name })),
    ...[...report.failures, ...report.errors].map(({ name, message = 'failed' }) => ({ name, message })),
  ]
}

// Specs run while tests are collected, so that each is a test here, under its own name.
describe.each(SPECS)('%s', file => {
  test.each(busted(file))('$name', ({ message }) => expect(message).toBeUndefined())
})

test('luacheck has nothing to say', () => {
  expect(
    execFileSync('luacheck', ['--no-color', 'lua', 'test/lua'], { cwd: ROOT, encoding: 'utf8' }),
  ).toMatch(/Total: 0 warnings \/ 0 errors in \d\d files/)
})

test('every module compiles under LuaJIT', () => {
  for (const name of readdirSync(join(ROOT, 'lua')))
    execFileSync('luajit', ['-bl', join(ROOT, 'lua', name), '/dev/null'])
})
