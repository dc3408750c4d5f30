import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'

const eventSchema = z.object({
  seq: z.number().int(),
  at: z.string(),
  kind: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.unknown()).optional(),
})

/** One thing that happened: `kind` such as `server.created`, `subject` the name it happened to. */
export type SandboxEvent = z.infer<typeof eventSchema>

/** The log of what was made and unmade, for tests that count. Kept in a file of JSON lines when one is named. */
export class Events {
  private readonly list: SandboxEvent[]

  constructor(private readonly file: string | null = null) {
    this.list = file !== null && existsSync(file) ? readEvents(file) : []
  }

  /** Adds an event at the end. */
  add(kind: string, subject: string, detail?: Record<string, unknown>): void {
    const event: SandboxEvent = {
      seq: (this.list.at(-1)?.seq ?? 0) + 1,
      at: new Date().toISOString(),
      kind,
      subject,
      ...(detail ? { detail } : {}),
    }
    this.list.push(event)
    if (this.file !== null) appendFileSync(this.file, `${JSON.stringify(event)}\n`, { mode: 0o600 })
  }

  /** Events after `since` (a `seq`), oldest first, of one kind or of all. */
  after(since: number, kind?: string): SandboxEvent[] {
    return this.list.filter(event => event.seq > since && (kind === undefined || event.kind === kind))
  }
}

function readEvents(file: string): SandboxEvent[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  // A crash can cut the last line short; what was cut is lost, the rest counts.
  return lines.flatMap(line => {
    const event = eventSchema.safeParse(parseOrNull(line))
    return event.success ? [event.data] : []
  })
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return null
    throw error
  }
}
