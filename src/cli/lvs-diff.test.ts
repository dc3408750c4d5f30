import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import type { Change } from '../render/lvs/diff.js'
import { diffLines, isConfirmed } from './lvs-diff.js'
import { createOutput } from './output.js'

const changes: Change[] = [
  { path: 'vip 60.28.208.3', what: 'added', label: 'safe' },
  { path: 'vip 60.28.208.1', what: 'ws a (10.0.0.1) removed', label: 'rs-flap' },
  { path: 'vip 60.28.208.1 port 80', what: 'synproxy: 1 -> 0', label: 'vs-teardown' },
  { path: 'lb \u001b[2Jx', what: 'removed\nagain', label: 'vip-withdrawal' },
]

/** What a terminal would get. */
function shown(hasColors: (() => boolean) | undefined): string {
  const stdout = Object.assign(new PassThrough(), hasColors && { hasColors })
  createOutput({ stdout, stderr: new PassThrough() }, false).result(null, diffLines(changes))
  return String(stdout.read())
}

test('S4-4: labels have their colours on a terminal', () => {
  const starts = shown(() => true)
    .split('\n')
    .map(line => line.split(' ')[0])
  expect(starts).toEqual([
    '\u001b[32msafe',
    '\u001b[33mrs-flap',
    '\u001b[35mvs-teardown',
    '\u001b[31mvip-withdrawal',
    '4',
    '',
  ])
})

test.each([
  ['NO_COLOR', () => false],
  ['no terminal', undefined],
])('S4-4: %s: the words alone', (_, hasColors) => {
  expect(shown(hasColors)).toBe(
    [
      'safe            vip 60.28.208.3  added',
      'rs-flap         vip 60.28.208.1  ws a (10.0.0.1) removed',
      'vs-teardown     vip 60.28.208.1 port 80  synproxy: 1 -> 0',
      'vip-withdrawal  lb  [2Jx  removed again',
      '4 changes, at worst: vip-withdrawal, VIPs leave balancers',
      '',
    ].join('\n'),
  )
})

test('nothing that changes is said in words', () => {
  expect(diffLines([])).toEqual(['no difference'])
})

test('what is agreed to covers what is milder', () => {
  expect(isConfirmed('safe')).toBe(true)
  expect(isConfirmed('rs-flap')).toBe(false)
  expect(isConfirmed('rs-flap', 'vs-teardown')).toBe(true)
  expect(isConfirmed('vip-withdrawal', 'vs-teardown')).toBe(false)
})
