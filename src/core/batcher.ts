interface Entry<Item, Answer> {
  item: Item
  resolve: (answer: Answer) => void
  reject: (error: unknown) => void
}

/**
 * Collects calls and hands them over together: whatever arrives while one batch is at work forms the next, up to `max`.
 * `work` answers in the order of its items; when it throws, every caller of that batch gets the error.
 */
export function createBatcher<Item, Answer>(
  work: (items: Item[]) => Promise<Answer[]>,
  { max = 500 }: { max?: number } = {},
): (item: Item) => Promise<Answer> {
  let waiting: Entry<Item, Answer>[] = []
  let busy = false

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, max)
      waiting = waiting.slice(max)
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
