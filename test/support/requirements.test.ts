import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

// docs/requirements.md says what each number asks for.
const BUILT = {
  S0: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
  S1: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  S4: [1, 2, 3, 4, 5, 6],
}

const HOME = fileURLToPath(new URL('../../', import.meta.url))

/** Every test file of the project. */
const testFiles = (): string[] =>
  ['src', 'test', 'infra']
    .flatMap(folder =>
      readdirSync(path.join(HOME, folder), { recursive: true, encoding: 'utf8' }).map(name =>
        path.join(HOME, folder, name),
      ),
    )
    .filter(name => /(\.test\.ts|_spec\.lua)$/.test(name) && name !== fileURLToPath(import.meta.url))

test('every requirement that is built has a test with its number in the title', () => {
  const titles = testFiles()
    .flatMap(file => readFileSync(file, 'utf8').split('\n'))
    .filter(
      line =>
        /^\s*(test|it|describe|\.?\]\)|\[|['"`])/.test(line) ||
        /\b(test|it|describe)(\.each)?\b.*S\d-\d/.test(line),
    )
  const named = new Set(titles.flatMap(line => line.match(/S\d-\d+/g) ?? []))
  const wanted = Object.entries(BUILT).flatMap(([part, numbers]) =>
    numbers.map(number => `${part}-${number}`),
  )
  expect(wanted.filter(requirement => !named.has(requirement))).toEqual([])
})
