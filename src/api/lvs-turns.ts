let last: Promise<unknown> = Promise.resolve()

/** Does one thing after the other, in the order in which they were asked for. One that fails holds up nobody. */
export function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = last.then(work)
  last = mine.catch(() => undefined)
  return mine
}
