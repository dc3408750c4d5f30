import { z } from 'zod'
import { PortError } from '../../core/errors.js'
import { refusal } from './errors.js'

/** One line of `terraform apply -json`, as far as Lazarus reads it. */
export const eventSchema = z.object({
  type: z.string(),
  '@message': z.string(),
  hook: z.object({ output: z.string().optional() }).optional(),
  diagnostic: z.object({ severity: z.string(), summary: z.string(), detail: z.string() }).optional(),
})
export type TerraformEvent = z.infer<typeof eventSchema>

const refusedSchema = z.object({
  refused: z.object({ code: z.string(), message: z.string(), retryAfter: z.number().optional() }),
})

/** The event in a line, or undefined for a line that is none. */
export function readEvent(line: string): TerraformEvent | undefined {
  try {
    return eventSchema.safeParse(JSON.parse(line)).data
  } catch {
    return undefined // warnings about the command line configuration are plain text
  }
}

const PART: Record<string, number> = {
  planned_change: 0.2,
  apply_start: 0.3,
  provision_progress: 0.5,
  apply_progress: 0.6,
  apply_complete: 0.9,
}

/** How far the event says it is, for people; undefined for an event that says nothing of it. */
export function progressOf(event: TerraformEvent): { part: number; text: string } | undefined {
  const part = PART[event.type]
  if (part === undefined) return undefined
  const { output } = event.hook ?? {}
  if (output?.startsWith('Executing:') || output?.startsWith('{')) return undefined
  return { part, text: output ?? event['@message'].replace(/^[\w.]+: /, '') }
}

/** The error behind a failed run: the provider's own code where one can be found. */
export function failureOf(events: readonly TerraformEvent[], stderr: string): PortError {
  return provisionerRefusal(events) ?? diagnosed(events) ?? unexplained(stderr)
}

/** The built-in stack's program ends with one line of JSON that names the code. */
function provisionerRefusal(events: readonly TerraformEvent[]): PortError | undefined {
  const refused = events
    .flatMap(({ hook }) => hook?.output ?? [])
    .filter(output => output.startsWith('{'))
    .map(output => refusedSchema.safeParse(JSON.parse(output)).data?.refused)
    .find(found => found !== undefined)
  return refused && refusal(refused.code, refused.message, refused.retryAfter)
}

function diagnosed(events: readonly TerraformEvent[]): PortError | undefined {
  const errors = events.flatMap(({ diagnostic }) => (diagnostic?.severity === 'error' ? diagnostic : []))
  const first = errors[0]
  if (!first) return undefined
  const text = `${first.summary} ${first.detail}`.replace(/\s+/g, ' ').trim().slice(0, 500)
  if (/acquiring the state lock/i.test(text)) return failed('state-locked', text)
  // The plugin writes the provider's code and a number behind the message: `... (resource_unavailable, 5f2a...)`.
  const [inBrackets, code] = /\s*\(([a-z][a-z_]+)(?:, [\w-]+)?\)/.exec(text) ?? []
  if (inBrackets && code) return refusal(code, text.replaceAll(inBrackets, ''))
  // It looks types and images up by itself, and then has words of its own.
  if (/^(image|server type) .* not found$/.test(text)) return refusal('not_found', text)
  return failed('terraform-failed', text)
}

const unexplained = (stderr: string): PortError =>
  failed('terraform-failed', stderr.trim().slice(-500) || 'terraform ended without saying why')

function failed(code: string, text: string): PortError {
  return new PortError(code, text, { retryable: true })
}
