import type { z } from 'zod'
import type { Job } from '../../src/core/define-job.js'
import type { Ports } from '../../src/ports/index.js'
import type { World } from './fake-ports.js'

/** Lets a job run, or undo, in a world in memory, as the runner would: input parsed, only the declared ports. */
export function inWorld<
  N extends string,
  I extends z.ZodObject,
  O extends z.ZodObject,
  P extends keyof Ports,
>(job: Job<N, I, O, P>, { ports }: World) {
  const logged: string[] = []
  const context = (input: z.input<I>, attempt: number) => {
    const parsed = job.input.parse(input)
    return {
      ...{ input: parsed, key: job.key(parsed), attempt, signal: new AbortController().signal },
      ports: Object.fromEntries(job.uses.map(name => [name, ports[name]])) as unknown as Pick<Ports, P>,
      log: (message: string) => void logged.push(message),
      progress: (_: number, text: string) => void logged.push(text),
    }
  }
  return {
    /** Everything the job said. */
    logged,
    run: async (input: z.input<I>, attempt = 1): Promise<z.output<O>> =>
      job.output.parse(await job.run(context(input, attempt))),
    undo: async (input: z.input<I>): Promise<void> => {
      if (job.undo === 'nothing-to-undo') throw new Error(`${job.name} has nothing to undo`)
      await job.undo(context(input, 1))
    },
  }
}
