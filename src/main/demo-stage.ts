import type { Output } from '../cli/output.js'
import type { DemoMessages } from './demo-messages.js'
import type { DemoWorld } from './demo-world.js'

/** What every act of the demo has: the world, and a way to tell what happens. */
export interface Stage {
  world: DemoWorld
  text: DemoMessages
  output: Output
  say: (line: string) => void
  signal: AbortSignal
}
