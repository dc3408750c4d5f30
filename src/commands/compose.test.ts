import { expect, test } from 'vitest'
import { compose, reloadEdge, restartEdge, startEdge, stopEdge } from './compose.js'

const EITHER = [
  'sh',
  '-euc',
  'if docker compose version >/dev/null 2>&1; then exec docker compose "$@"; fi; exec docker-compose "$@"',
  'compose',
]
const OURS = [...EITHER, '-p', 'lazarus', '-f', '/opt/lazarus/docker-compose.yml']

test.each([
  ['start', startEdge(), ['up', '-d', '--remove-orphans']],
  ['stop', stopEdge(), ['down', '--remove-orphans']],
  ['restart', restartEdge(), ['restart']],
  ['reload', reloadEdge(), ['kill', '-s', 'HUP', 'edge']],
])('%s', (_name, argv, words) => expect(argv).toEqual([...OURS, ...words]))

test('words are arguments of the script, never part of it', () => {
  expect(compose('"; id #')).toEqual([...EITHER, '"; id #'])
})
