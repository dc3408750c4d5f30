import { execFile } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'

const ROOT = path.resolve(import.meta.dirname, '../..')
const POLICY = '/usr/sbin/policy-rc.d'

/** A checkout without node_modules, whose npm, prisma and apt-get only write down that they were called. */
function checkout(): { root: string; bin: string; calls: () => string[] } {
  const root = tempDir()
  // Others than root may read it, for the test as nobody.
  chmodSync(root, 0o755)
  const [bin, log] = [path.join(root, 'fake'), path.join(root, 'calls')]
  for (const file of ['bin', 'package.json', 'package-lock.json', '.npmrc', 'prisma', 'prisma.config.ts'])
    cpSync(path.join(ROOT, file), path.join(root, file), { recursive: true })
  mkdirSync(bin)
  fake(
    bin,
    'apt-get',
    `echo "apt-get $*" >>${log}; case "$*" in *install*) [ -x ${POLICY} ] && ${POLICY} || echo "policy $?" >>${log};; esac`,
  )
  fake(
    bin,
    'npm',
    `echo "npm $* $npm_config_build_from_source" >>${log}; [ "$1" = ci ] || exit 0
    mkdir -p node_modules; ln -s ${ROOT}/node_modules/* node_modules/ || :
    mkdir node_modules/.bin; cp ${ROOT}/node_modules/.package-lock.json node_modules/; cp ${bin}/prisma node_modules/.bin/`,
  )
  fake(bin, 'prisma', `echo "prisma $* $PRISMA_SCHEMA_ENGINE_BINARY" >>${log}; mkdir -p src/store/generated`)
  return { root, bin, calls: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []) }
}

function fake(bin: string, name: string, script: string): void {
  writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
}

interface Result {
  code: number
  stdout: string
  stderr: string
}
interface Options {
  argv?: string[]
  /** Programs of this machine that cannot be run. */
  hidden?: string[]
  asNobody?: boolean
  PATH?: string
}

/** A /usr/sbin of the test's own, in which no policy has been made yet. */
const OWN_SBIN = `
mount -t tmpfs t /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay o -o lowerdir=/usr/sbin,upperdir=/mnt/upper,workdir=/mnt/work /usr/sbin
rm -f ${POLICY}`

/** Runs bin/setup with the fakes first on PATH. */
function setup({ root, bin }: { root: string; bin: string }, options: Options = {}): Promise<Result> {
  const hide = (options.hidden ?? []).map(file => `mount --bind /dev/null ${file}`)
  const user = options.asNobody ? 'setpriv --reuid=65534 --clear-groups' : ''
  const after = `if [ -e ${POLICY} ]; then echo 'policy left behind' >&2; fi`
  const run = `rc=0; ${user} ${root}/bin/setup "$@" || rc=$?; ${after}; exit $rc`
  const script = [OWN_SBIN, ...hide, run].join('\n')
  const env = { PATH: options.PATH ?? `${bin}:${process.env.PATH}`, HOME: root }
  return new Promise(resolve => {
    execFile(
      'unshare',
      ['--mount', 'sh', '-ec', script, 'sh', ...(options.argv ?? [])],
      { env },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    )
  })
}

describe('bin/setup', () => {
  test('does what is missing, and the second time nothing', async () => {
    const place = checkout()
    const first = await setup(place)
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(place.calls()).toEqual([expect.stringMatching(/^npm ci /), 'prisma generate /bin/true'])
    expect(await setup(place)).toEqual({ code: 0, stdout: '', stderr: '' })
    expect(place.calls()).toHaveLength(2)
  })

  test('a changed lock or schema is noticed', async () => {
    const place = checkout()
    await setup(place)
    writeFileSync(path.join(place.root, 'prisma/schema.prisma'), '// another')
    await setup(place)
    expect(place.calls().slice(2)).toEqual(['prisma generate /bin/true'])
    const here = path.join(place.root, 'node_modules/.package-lock.json')
    writeFileSync(here, readFileSync(here, 'utf8').replaceAll(/"version": "[^"]+"/g, '"version": "0.0.1"'))
    await setup(place)
    expect(place.calls().slice(3)).toContainEqual(expect.stringMatching(/^npm ci /))
  })

  test('nothing that packages bring is run, and SQLite is compiled from its source', async () => {
    const place = checkout()
    await setup(place, { argv: ['--test', '--no-sqlite'] })
    expect(place.calls()[0]).toMatch(/^npm ci .*--ignore-scripts /)
    const sqlite = path.join(place.root, 'node_modules/better-sqlite3')
    rmSync(sqlite)
    mkdirSync(sqlite)
    await setup(place, { argv: ['--test', '--no-sqlite'] })
    expect(place.calls()).toHaveLength(2)
    const result = await setup(place)
    expect(place.calls()[2]).toMatch(/^npm rebuild better-sqlite3 .*true$/)
    // The fake compiled nothing, and that is noticed too.
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining('does not load') })
  })

  test('missing packages are installed without starting services', async () => {
    const place = checkout()
    const result = await setup(place, { hidden: ['/usr/bin/pebble', '/usr/bin/busted'], argv: ['--test'] })
    expect(place.calls()[0]).toMatch(/^apt-get .* update$/)
    expect(place.calls()[1]).toMatch(/^apt-get .* install --no-install-recommends (?=.*pebble).*lua-busted/)
    expect(place.calls()[2]).toBe('policy 101')
    expect(result.stderr).not.toContain('policy left behind')
    // The fake installed nothing, and that is noticed too.
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/installed, and yet not found: pebble lua-busted/),
    })
  })

  test('not root: says what to install and begins nothing', async () => {
    const place = checkout()
    const result = await setup(place, { hidden: ['/usr/bin/pebble'], asNobody: true })
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/apt-get install pebble/) })
    expect(place.calls()).toEqual([])
    expect(existsSync(path.join(place.root, 'node_modules'))).toBe(false)
  })

  test('no npm: says so and begins nothing', async () => {
    const place = checkout()
    const bin = path.join(place.root, 'few')
    mkdirSync(bin)
    for (const program of [
      'unshare',
      'sh',
      'node',
      'dirname',
      'mount',
      'env',
      'cat',
      'setpriv',
      'mkdir',
      'rm',
      'id',
    ])
      symlinkSync((await where(program)).trim(), path.join(bin, program))
    const result = await setup(place, { PATH: bin })
    expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/npm is missing/) })
    expect(place.calls()).toEqual([])
  })

  test.each([[['--tset']], [['--test', '--no-sqlit']]])('an unknown option is refused: %j', async argv => {
    const place = checkout()
    expect(await setup(place, { argv })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(argv.at(-1) ?? ''),
    })
    expect(place.calls()).toEqual([])
  })
})

const where = (program: string): Promise<string> =>
  new Promise(resolve => execFile('sh', ['-c', `command -v ${program}`], (_, stdout) => resolve(stdout)))

test('the lock names the optional packages of every platform, without which npm ci refuses', () => {
  const { packages } = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies),
  )
  const absent = [...new Set(wanted)].filter(
    name => !Object.keys(packages).some(at => at.endsWith(`node_modules/${name}`)),
  )
  expect(absent).toEqual([])
})
