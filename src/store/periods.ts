/** The UTC day of a time, `YYYY-MM-DD`. */
export const dayOf = (at: Date): string => at.toISOString().slice(0, 10)

/** When the day and the month of a time began, in UTC. */
export function periodStarts(at: Date): { day: Date; month: Date } {
  const day = dayOf(at)
  return { day: new Date(`${day}T00:00:00Z`), month: new Date(`${day.slice(0, 7)}-01T00:00:00Z`) }
}
