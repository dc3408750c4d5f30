import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'

const PROGRAM = fileURLToPath(new URL('../../templates/keepalived/lazarus-lvs.sh', import.meta.url))
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const [one, two, three] = ['1', '2', '3'].map(sha256) as [string, string, string]

let root: string
beforeEach(() => {
  root = tempDir()
  // The machine that the tests run on is no balancer: what it has of these is not to be asked.
  for (const name of ['service', 'vtysh', 'ip', 'ipvsadm', 'iptables-legacy']) program(name, 'exit 1')
})

/** Puts a program first on the path, which writes down how it was called. */
function program(name: string, script: string): void {
  mkdirSync(path.join(root, 'bin'), { recursive: true })
  writeFileSync(
    path.join(root, 'bin', name),
    `#!/bin/sh\necho "${name} $*" >>"$LAZARUS_ROOT/calls"\n${script}\n`,
    { mode: 0o755 },
  )
}

const home = (...at: string[]) => path.join(root, 'var/lib/lazarus/lvs', ...at)

function run(argv: string[], input = '') {
  const { status, stdout, stderr } = spawnSync('sh', [PROGRAM, ...argv], {
    input,
    encoding: 'utf8',
    env: { ...process.env, LAZARUS_ROOT: root, PATH: `${path.join(root, 'bin')}:${process.env.PATH}` },
  })
  return { status, stdout, stderr }
}

const files = (mark: string): Record<string, string> => ({
  'keepalived/keepalived.conf': `! ${mark}\n`,
  'keepalived/198.18.100.1.conf': '! the same\n',
  'routing/frr.conf': '! the same\n',
})

const sums = (content: Record<string, string>) =>
  Object.entries(content)
    .map(([name, text]) => `${sha256(text)}  ${name}\n`)
    .join('')

/** Stages a revision as the control plane does: only what differs is sent. Answers what was sent. */
function stage(revision: string, content: Record<string, string>): string[] {
  const begun = run(['begin', revision])
  expect(begun).toMatchObject({ status: 0 })
  const there = new Set(begun.stdout.split('\n'))
  const sent = Object.entries(content).filter(([name, text]) => !there.has(`${sha256(text)}  ${name}`))
  for (const [name, text] of sent) {
    const at = home(`${revision}.part`, name)
    mkdirSync(path.dirname(at), { recursive: true })
    rmSync(at, { force: true })
    writeFileSync(at, text)
  }
  expect(run(['finish', revision], sums(content))).toEqual({ status: 0, stdout: '', stderr: '' })
  return sent.map(([name]) => name)
}

const inForce = () => readFileSync(path.join(root, 'etc/keepalived/keepalived.conf'), 'utf8')

describe('S4-4: revisions on a balancer', () => {
  test('come into force at once and whole; only what differs is sent', () => {
    expect(stage(one, files('one'))).toHaveLength(3)
    expect(run(['activate', one]).status).toBe(0)
    expect(inForce()).toBe('! one\n')
    expect(stage(two, files('two'))).toEqual(['keepalived/keepalived.conf'])
    expect(inForce()).toBe('! one\n')
    expect(run(['activate', two]).status).toBe(0)
    expect(inForce()).toBe('! two\n')
    // The first one is whole still: what it shares was not written through.
    expect(readFileSync(home(one, 'keepalived/keepalived.conf'), 'utf8')).toBe('! one\n')
  })

  test('keep what the machine had before', () => {
    mkdirSync(path.join(root, 'etc/keepalived'), { recursive: true })
    writeFileSync(path.join(root, 'etc/keepalived/keepalived.conf'), 'by hand')
    stage(one, files('one'))
    run(['activate', one])
    expect(readFileSync(path.join(root, 'etc/keepalived.before-lazarus/keepalived.conf'), 'utf8')).toBe(
      'by hand',
    )
  })

  test('a file that is wanted no more is gone from the new revision', () => {
    stage(one, files('one'))
    run(['activate', one])
    const { 'keepalived/198.18.100.1.conf': _, ...rest } = files('two')
    stage(two, rest)
    expect(readdirSync(home(two, 'keepalived'))).toEqual(['keepalived.conf'])
  })

  test('what arrived broken never becomes a revision', () => {
    run(['begin', one])
    mkdirSync(home(`${one}.part`, 'keepalived'), { recursive: true })
    writeFileSync(home(`${one}.part`, 'keepalived/keepalived.conf'), '! on')
    const finished = run(['finish', one], sums(files('one')))
    expect(finished.status).toBe(1)
    expect(existsSync(home(one))).toBe(false)
    expect(run(['activate', one])).toMatchObject({
      status: 66,
      stderr: `lazarus-lvs: no revision ${one} here: stage it first\n`,
    })
  })

  test('a push that was cut off is begun anew', () => {
    run(['begin', one])
    mkdirSync(home(`${one}.part`, 'keepalived'), { recursive: true })
    writeFileSync(home(`${one}.part`, 'keepalived/half.conf'), 'half')
    expect(stage(one, files('one'))).toHaveLength(3)
    expect(readdirSync(home(one, 'keepalived'))).toEqual(['198.18.100.1.conf', 'keepalived.conf'])
    // Staged once more, nothing has to be sent.
    expect(stage(one, files('one'))).toEqual([])
  })

  test('without a good revision there is nothing to go back to', () => {
    stage(one, files('one'))
    run(['activate', one])
    expect(run(['revert'])).toMatchObject({
      status: 66,
      stderr: 'lazarus-lvs: there is no good revision to go back to\n',
    })
    run(['good'])
    // As after a reload: the routes are known to the routing daemon.
    writeFileSync(home('.loaded-frr.conf'), '! the same\n')
    stage(two, files('two'))
    run(['activate', two])
    // keepalived does not run here: the files are back all the same, and it is said that nobody read them.
    expect(run(['revert']).stderr).toContain('keepalived does not run, and could not be started')
    expect(inForce()).toBe('! one\n')
  })

  test('old ones go, the one in force and the good one stay', () => {
    for (const [index, revision] of [one, two, three].entries()) {
      stage(revision, files(revision))
      utimesSync(home(revision), index, index)
      if (index === 0) {
        run(['activate', revision])
        run(['good'])
      }
    }
    run(['activate', two])
    expect(run(['prune', '0']).status).toBe(0)
    expect(
      readdirSync(home())
        .filter(name => name.length === 64)
        .sort(),
    ).toEqual([one, two].sort())
    expect(readlinkSync(home('current'))).toBe(two)
  })

  test.each([
    ['begin', '../../etc'],
    ['activate', ''],
    ['finish', 'a'.repeat(63)],
    ['check', `${'a'.repeat(63)}/`],
    ['prune', '-1'],
    ['sing'],
  ])('%s %s is refused', (...argv) => {
    expect(run(argv.filter(word => word !== undefined)).status).toBe(1)
  })
})
