/** Our own books, kept in order by the clock: each is a few statements, however much there is. */
export interface Upkeep {
  /** Begins the traffic period of everyone anew whose day or month is over; answers how many. */
  beginPeriods(now: Date): Promise<number>
  /** Brings the series of the statistics up to date: sums of pools, services and the fleet; hours; days. */
  downsample(now: Date): Promise<void>
  /** Drops what is kept no longer; answers how many rows of what. */
  forget(now: Date): Promise<Record<string, number>>
}
