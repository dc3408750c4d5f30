/**
 * Collects calls and hands them over together: whatever arrives while one batch is at work forms the next.
 * `work` answers in the order of its items; when it throws, every caller of that batch gets the error.
 */
export function createBatcher<Item, Answer>(
  work: (items: Item[]) => Promise<Answer[]>,
  options: {
    max?: number /** Items with equal keys never share a batch. */
    apart?: (item: Item) => string
  } = {},
): (item: Item) => Promise<Answer> {
  const max = options.max ?? 500
  let waiting: { item: Item; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = []
  let busy = false

  function take() {
    const keys = new Set<string>()
    const batch: typeof waiting = []
    const rest: typeof waiting = []
    for (const entry of waiting) {
      const key = options.apart?.(entry.item)
      const fits = batch.length < max && (key === undefined || !keys.has(key))
      if (key !== undefined) keys.add(key)
      ;(fits ? batch : rest).push(entry)
    }
    waiting = rest
    return batch
  }

  async function drain(): Promise<void> {
    busy = true
    while (waiting.length > 0) {
      const batch = take()
      try {
        const answers = await work(batch.map(entry => entry.item))
        for (const [index, entry] of batch.entries()) entry.resolve(answers[index] as Answer)
      } catch (error) {
        for (const entry of batch) entry.reject(error)
      }
    }
    busy = false
  }

  return item =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      // Started after this turn of the event loop, so that everything of one turn travels together.
      if (!busy) {
        busy = true
        setImmediate(drain)
      }
    })
}
