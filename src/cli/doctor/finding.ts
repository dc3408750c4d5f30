/** What somebody wants to run: decides which findings are in the way. */
export type Purpose = 'up' | 'sandbox'

/** What a thing is needed for: `up` (always), `sandbox`, `tests`, or nothing that cannot be done another way. */
export type Need = Purpose | 'tests' | 'optional'

/** One thing looked at. `fix` is a command or a sentence; `missing` is in the way, `warn` is not. */
export interface Finding {
  name: string
  status: 'ok' | 'warn' | 'missing'
  detail: string
  fix?: string
}

/** What a check saw, before it is known whether that is in the way. */
export interface Sight {
  name: string
  need: Need
  ok: boolean
  detail: string
  fix?: string
}

/** Judges what was seen: what is absent is in the way only of those who need it. */
export function judge({ name, need, ok, detail, fix }: Sight, purpose: Purpose): Finding {
  if (ok) return { name, status: 'ok', detail }
  const inTheWay = need === 'up' || need === purpose
  const note =
    inTheWay || need === 'optional'
      ? detail
      : `${detail} (only the ${need} need${need === 'tests' ? '' : 's'} it)`
  return { name, status: inTheWay ? 'missing' : 'warn', detail: note, ...(fix && { fix }) }
}
