/** All values under one name and type: the unit of change. `name` is fully qualified, without a final dot. */
export interface RecordSet {
  zone: string
  name: string
  type: 'A' | 'AAAA' | 'TXT'
  values: readonly string[]
}

export type RecordSetKey = Omit<RecordSet, 'values'>

/** Records of a zone. Every error is a `PortError`; an unknown zone has the code `zone-not-found`, not retryable. */
export interface DnsPort {
  /** Makes the set hold exactly these values (at least one). Running it twice changes nothing. */
  set(records: RecordSet, signal: AbortSignal): Promise<void>
  /** Removes the whole set; succeeds when there is none. */
  remove(records: RecordSetKey, signal: AbortSignal): Promise<void>
  /** The record sets that Lazarus made in a zone, for finding those without an owner. */
  list(zone: string, signal: AbortSignal): Promise<RecordSet[]>
}
