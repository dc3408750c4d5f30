/** One piece of an edit: what both have, what is only in the first (`cut`), what is only in the second (`put`). */
export interface Edit {
  kind: 'keep' | 'cut' | 'put'
  text: string
}

/** Edits beyond so many are not looked for: then everything counts as replaced. */
const MOST = 500

/**
 * The shortest edit from one list of texts to another (Myers, "An O(ND) Difference Algorithm"). Lists that differ in
 * more than 500 places are cut and put as a whole.
 */
export function diffSequences(from: readonly string[], to: readonly string[]): Edit[] {
  const head = commonLength(from, to)
  const tail = commonLength(from.slice(head).reverse(), to.slice(head).reverse())
  const keep = (list: readonly string[]): Edit[] => list.map(text => ({ kind: 'keep', text }))
  return [
    ...keep(from.slice(0, head)),
    ...middle(from.slice(head, from.length - tail), to.slice(head, to.length - tail)),
    ...keep(from.slice(from.length - tail)),
  ]
}

function commonLength(a: readonly string[], b: readonly string[]): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1
  return length
}

function middle(from: readonly string[], to: readonly string[]): Edit[] {
  const trace = search(from, to)
  return trace ? walkBack(trace, from, to) : replaced(from, to)
}

const replaced = (from: readonly string[], to: readonly string[]): Edit[] => [
  ...from.map((text): Edit => ({ kind: 'cut', text })),
  ...to.map((text): Edit => ({ kind: 'put', text })),
]

/** For each number of edits, how far every diagonal gets; null when there are too many. */
function search(from: readonly string[], to: readonly string[]): Map<number, number>[] | null {
  const furthest = new Map([[1, 0]])
  const trace: Map<number, number>[] = []
  for (let edits = 0; edits <= Math.min(MOST, from.length + to.length); edits += 1) {
    trace.push(new Map(furthest))
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = stepsDown(furthest, diagonal, edits)
        ? at(furthest, diagonal + 1)
        : at(furthest, diagonal - 1) + 1
      while (x < from.length && x - diagonal < to.length && from[x] === to[x - diagonal]) x += 1
      furthest.set(diagonal, x)
      if (x >= from.length && x - diagonal >= to.length) return trace
    }
  }
  return null
}

const at = (furthest: Map<number, number>, diagonal: number): number => furthest.get(diagonal) ?? -1

const stepsDown = (furthest: Map<number, number>, diagonal: number, edits: number): boolean =>
  diagonal === -edits || (diagonal !== edits && at(furthest, diagonal - 1) < at(furthest, diagonal + 1))

function walkBack(
  trace: readonly Map<number, number>[],
  from: readonly string[],
  to: readonly string[],
): Edit[] {
  const edits: Edit[] = []
  let [x, y] = [from.length, to.length]
  for (let depth = trace.length - 1; depth >= 0; depth -= 1) {
    const furthest = trace[depth] ?? new Map<number, number>()
    const diagonal = x - y
    const down = stepsDown(furthest, diagonal, depth)
    const before = down ? diagonal + 1 : diagonal - 1
    const startX = at(furthest, before)
    while (x > startX + (down ? 0 : 1) && y > startX - before + (down ? 1 : 0) && x > 0 && y > 0) {
      edits.push({ kind: 'keep', text: from[x - 1] ?? '' })
      x -= 1
      y -= 1
    }
    if (depth === 0) break
    edits.push(down ? { kind: 'put', text: to[y - 1] ?? '' } : { kind: 'cut', text: from[x - 1] ?? '' })
    x = startX
    y = startX - before
  }
  return edits.reverse()
}
