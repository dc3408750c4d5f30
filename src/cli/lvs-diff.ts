import { type Change, LABELS, type Label, worstOf } from '../render/lvs/diff.js'
import { type Line, pad, width } from './output.js'

const COLOURS = {
  safe: 'green',
  'rs-flap': 'yellow',
  'vs-teardown': 'magenta',
  'vip-withdrawal': 'red',
} as const satisfies Record<Label, string>

const MEANINGS: Record<Label, string> = {
  safe: 'nobody notices it',
  'rs-flap': 'connections to some hosts end',
  'vs-teardown': 'services are made anew, their connections end',
  'vip-withdrawal': 'VIPs leave balancers',
}

/** Changes with their labels, a line each, and what the worst of them means. The label stands there as a word, always. */
export function diffLines(changes: readonly Change[]): Line[] {
  if (changes.length === 0) return ['no difference']
  const columns = Math.max(...LABELS.map(width))
  const worst = worstOf(changes)
  return [
    ...changes.map(({ path, what, label }) => ({
      text: `${pad(label, columns)}  ${path}  ${what}`.replaceAll('\n', ' '),
      colour: COLOURS[label],
    })),
    `${changes.length === 1 ? '1 change' : `${changes.length} changes, at worst`}: ${worst}, ${MEANINGS[worst]}`,
  ]
}

/** Whether a reload that does `worst` has been agreed to. */
export const isConfirmed = (worst: Label, confirm: Label = 'safe'): boolean =>
  LABELS.indexOf(worst) <= LABELS.indexOf(confirm)
