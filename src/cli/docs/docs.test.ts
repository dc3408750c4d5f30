import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { tempDir } from '../../../test/support/temp.js'
import { SETTINGS } from '../../config/env.js'
import { defineJob } from '../../core/define-job.js'
import { defineWorkflow } from '../../core/define-workflow.js'
import { generatedFiles, staleFiles, writeFiles } from './generate.js'
import { jobsPage, workflowsPage } from './markdown.js'
import { envExample, settingsPage } from './settings.js'

const job = defineJob({
  name: 'thing.make',
  summary: 'Makes a thing | or two.',
  queue: 'dns',
  uses: ['clock'],
  input: z.object({ name: z.string(), size: z.number().optional() }),
  output: z.object({ id: z.string() }),
  key: input => input.name,
  target: input => input.name,
  retry: { attempts: 2, first: '1s', max: '1m', timeout: '5m' },
  run: async () => ({ id: '1' }),
  undo: 'nothing-to-undo',
})
const workflow = defineWorkflow({
  name: 'things.make',
  summary: 'Makes things.',
  input: z.object({ name: z.string() }),
})
  .step('first', job, ({ input }) => ({ name: input.name }))
  .step('second', job, ({ first }) => ({ name: first.id }))
  .step('end', job, ({ first, second }) => ({ name: first.id, size: second.id as never }))
  .build()

test('a job is described by what it declares', () => {
  const page = jobsPage([job])
  expect(page).toContain('Makes a thing \\| or two.')
  expect(page).toContain('- input: `name`: string, `size`?: number')
  expect(page).toContain('- tries: 2, first again after 1s, at most 1m apart; each at most 5m')
  expect(page).toContain('- undo: nothing to undo')
})

test('the graph of a workflow shows each direct dependency once', () => {
  const arrows = workflowsPage([workflow], []).match(/\w+ --> \w+/g)
  expect(arrows).toEqual(['s_first --> s_second', 's_second --> s_end'])
})

test('every setting is described, with its default as one would write it', () => {
  for (const name of Object.keys(SETTINGS)) {
    expect(settingsPage()).toContain(`\`${name}\``)
    expect(envExample()).toMatch(new RegExp(`^#${name}=`, 'm'))
  }
  expect(envExample()).toMatch(/^#LAZARUS_LISTEN=127\.0\.0\.1:8080$/m)
  expect(envExample()).toMatch(/^#HCLOUD_ENDPOINT=https:\/\/api\.hetzner\.cloud\/v1$/m)
})

test('a stale file is found and written anew', () => {
  const root = tempDir()
  const files = { 'docs/generated/a.md': 'a', b: 'b' }
  expect(writeFiles(root, files)).toEqual(['docs/generated/a.md', 'b'])
  expect(staleFiles(root, files)).toEqual([])
  writeFileSync(path.join(root, 'b'), 'edited')
  expect(staleFiles(root, files)).toEqual(['b'])
  expect(writeFiles(root, files)).toEqual(['b'])
  expect(readFileSync(path.join(root, 'b'), 'utf8')).toBe('b')
})

test('the pages come out the same every time', () => {
  expect(generatedFiles()).toEqual(generatedFiles())
})
