import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'

const ROOT = path.resolve(import.meta.dirname, '../..')
let root = ''
const main = () => path.join(root, 'src/cli/main.ts')

/** A checkout whose whole source says a word and where it was loaded from. */
beforeEach(() => {
  root = path.join(tempDir(), 'check out #1')
  for (const name of ['src/cli', 'infra', 'test/chaos', 'test/support'])
    mkdirSync(path.join(root, name), { recursive: true })
  for (const name of ['bin', 'package.json', 'tsconfig.json', 'tsconfig.build.json', 'tsconfig.dist.json'])
    cpSync(path.join(ROOT, name), path.join(root, name), { recursive: true })
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'))
  write('one')
})

const write = (word: string) =>
  writeFileSync(
    main(),
    `import { fileURLToPath } from 'node:url'\nconst word: string = '${word}'
process.stdout.write(word + ' ' + fileURLToPath(import.meta.url) + ' ' + process.argv.slice(2).join(' '))\n`,
  )
const compile = () => execFileSync(path.join(root, 'bin/compile'), { stdio: 'pipe' })
const lazarus = () =>
  execFileSync(path.join(root, 'bin/lazarus'), ['a', 'b c'], { cwd: '/', encoding: 'utf8' })
const source = (word: string) => `${word} ${main()} a b c`
const compiled = (word: string) => `${word} ${path.join(root, 'dist/src/cli/main.js')} a b c`

test('the command runs compiled just as long as the source is what was compiled', () => {
  expect(lazarus()).toBe(source('one'))
  compile()
  expect(lazarus()).toBe(compiled('one'))
  write('two')
  expect(lazarus()).toBe(source('two'))
  write('one')
  expect(lazarus()).toBe(compiled('one'))
  const other = path.join(root, 'src/other.ts')
  writeFileSync(other, '')
  expect(lazarus()).toBe(source('one'))
  rmSync(other)
  write('two')
  compile()
  expect(lazarus()).toBe(compiled('two'))
})

test('a dist/ of somebody else is not taken, and nothing is compiled from what is no TypeScript', () => {
  mkdirSync(path.join(root, 'dist/src/cli'), { recursive: true })
  writeFileSync(path.join(root, 'dist/src/cli/main.js'), 'process.stdout.write("foreign")')
  expect(lazarus()).toBe(source('one'))
  compile()
  writeFileSync(main(), 'const = 1')
  const { status, stdout } = spawnSync(path.join(root, 'bin/compile'), { encoding: 'utf8' })
  expect(status).not.toBe(0)
  expect(stdout).toContain('main.ts')
  write('one')
  expect(lazarus()).toBe(compiled('one'))
})
