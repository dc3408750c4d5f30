import type { Cli } from './command.js'

/** How long ending may take, milliseconds: with the ten seconds of `main.ts` less than what systemd and Compose allow. */
const PATIENCE = 45_000

/**
 * Waits for Ctrl-C, then ends what runs. What does not end in time is said and left behind, as when the process is
 * killed: others take it over once its leases have run out.
 */
export async function untilStopped(
  { signal, io }: Pick<Cli, 'signal' | 'io'>,
  running: { close(): Promise<void> },
): Promise<void> {
  if (!signal.aborted)
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(() => {
      io.stderr.write(`lazarus: not ended after ${PATIENCE / 1000} s: left to its leases\n`)
      resolve()
    }, PATIENCE)
  })
  await Promise.race([running.close(), late]).finally(() => clearTimeout(timer))
}
