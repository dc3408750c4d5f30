/** What a test file has to leave clean. */
const endings: (() => unknown)[] = []

/** Has `end` run after the test file, the last one first. May be called at any time, also while a test runs. */
export function afterFile(end: () => unknown): void {
  endings.push(end)
}

/** Runs what was asked for with `afterFile`: all of it, also when some of it fails. */
export async function endFile(): Promise<void> {
  const end = endings.pop()
  if (!end) return
  try {
    await end()
  } finally {
    await endFile()
  }
}
