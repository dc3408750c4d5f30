/** What somebody wants to run: the control plane with a real cloud, or with the sandbox. Decides what is in the way. */
export type Purpose = 'cloud' | 'sandbox'

/** What a thing is needed for: `all`, one purpose, the tests, or nothing that cannot be done another way. */
export type Need = 'all' | Purpose | 'tests' | 'optional'

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

const FOR_WHOM: Partial<Record<Need, string>> = {
  cloud: ' (needed for a real cloud, not for the sandbox)',
  sandbox: ' (needed for the sandbox only)',
  tests: ' (needed for the tests only)',
}

/** Judges what was seen: what is absent is in the way only of those who need it. */
export function judge({ name, need, ok, detail, fix }: Sight, purpose: Purpose): Finding {
  if (ok) return { name, status: 'ok', detail }
  const inTheWay = need === 'all' || need === purpose
  const note = inTheWay ? '' : (FOR_WHOM[need] ?? '')
  return { name, status: inTheWay ? 'missing' : 'warn', detail: `${detail}${note}`, ...(fix && { fix }) }
}
