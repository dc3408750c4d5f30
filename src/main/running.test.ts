import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { readRunning, writeRunning } from './running.js'

test('gives back what was noted, which nobody else can read', () => {
  const directory = tempDir()
  const file = join(directory, 'running.json')
  const warnings: string[] = []
  const read = () => readRunning(file, message => warnings.push(message))
  expect(read()).toBeNull()
  for (const pid of [7, 8]) writeRunning(file, { pid, url: 'redis://127.0.0.1:1' })
  expect(read()).toEqual({ pid: 8, url: 'redis://127.0.0.1:1' })
  expect(readdirSync(directory)).toEqual(['running.json'])
  expect(statSync(file).mode & 0o077).toBe(0)
  expect(warnings).toEqual([])
})

test.each(['', '{"pid":12,"ur', '{"pid":12}', 'null'])('a note of %j counts as none, and is told', text => {
  const file = join(tempDir(), 'running.json')
  writeFileSync(file, text)
  const warnings: string[] = []
  expect(readRunning(file, message => warnings.push(message))).toBeNull()
  expect(warnings).toEqual([expect.stringContaining(file)])
})
