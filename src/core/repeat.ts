/**
 * Calls `work` now and then again `interval` milliseconds after each end, never twice at once. What it throws goes to
 * `onError`. `stop` returns when a call in progress has ended.
 */
export function repeat(
  interval: number,
  work: () => Promise<void>,
  onError: (error: Error) => void,
): { stop(): Promise<void> } {
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let current = Promise.resolve()
  const turn = () => {
    current = work()
      .catch(onError)
      .then(() => {
        if (!stopped) timer = setTimeout(turn, interval)
      })
  }
  turn()
  return {
    async stop() {
      stopped = true
      clearTimeout(timer)
      await current
    },
  }
}
