import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, expect } from 'vitest'
import { tempDir } from '../temp.js'

/** Our program on a balancer, as it is sent there. */
export const PROGRAM = fileURLToPath(new URL('../../../templates/keepalived/lazarus-lvs.sh', import.meta.url))
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
/** Names of revisions. */
export const [one, two, three] = ['1', '2', '3'].map(sha256) as [string, string, string]

/** What stands for / on the machine of the test that runs. */
export let root: string
beforeEach(() => {
  root = tempDir()
  // The machine that the tests run on is no balancer: what it has of these is not to be asked.
  for (const name of ['service', 'keepalived', 'vtysh', 'ip', 'ipvsadm', 'iptables-legacy'])
    program(name, 'exit 1')
})

/** Puts a program first on the path, which writes down how it was called. */
export function program(name: string, script: string): void {
  mkdirSync(path.join(root, 'bin'), { recursive: true })
  writeFileSync(
    path.join(root, 'bin', name),
    `#!/bin/sh\necho "${name} $*" >>"$LAZARUS_ROOT/calls"\n${script}\n`,
    { mode: 0o755 },
  )
}

/** A path among the revisions of the machine. */
export const home = (...at: string[]) => path.join(root, 'var/lib/lazarus/lvs', ...at)

export const environment = () => ({
  ...process.env,
  LAZARUS_ROOT: root,
  PATH: `${path.join(root, 'bin')}:${process.env.PATH}`,
})

/** Runs an action of the program on the machine. */
export function run(argv: string[], input = '') {
  const { status, stdout, stderr } = spawnSync('sh', [PROGRAM, ...argv], {
    input,
    encoding: 'utf8',
    env: environment(),
  })
  return { status, stdout, stderr }
}

/** The files of a revision; only the first differs by its mark. */
export const files = (mark: string): Record<string, string> => ({
  'keepalived/keepalived.conf': `! ${mark}\n`,
  'keepalived/198.18.100.1.conf': '! the same\n',
  'routing/frr.conf': '! the same\n',
})

/** The digests that `finish` reads. */
export const sums = (content: Record<string, string>) =>
  Object.entries(content)
    .map(([name, text]) => `${sha256(text)}  ${name}\n`)
    .join('')

/** Stages a revision as the control plane does: only what differs is sent. Answers what was sent. */
export function stage(revision: string, content: Record<string, string>): string[] {
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
