import { ownsMachine, ownsRecord } from '../jobs/ownership.js'
import type { Machine } from '../ports/compute.js'
import type { RecordSet } from '../ports/dns.js'
import type { Ports } from '../ports/index.js'

/** What Lazarus made and nobody owns any more. */
export interface Orphans {
  machines: Pick<Machine, 'key' | 'id' | 'name' | 'type' | 'location' | 'monthlyPrice' | 'currency'>[]
  records: Pick<RecordSet, 'zone' | 'name' | 'type' | 'values'>[]
  /** Keys of Terraform states whose machine is gone or an orphan too. */
  states: string[]
  /** What the machines cost in a month, by currency. */
  monthlyCost: Record<string, number>
}

/** Compares what the providers hold with what our books say. Changes nothing. Throws a `PortError` of a provider. */
export async function findOrphans(
  { compute, dns, fleet }: Pick<Ports, 'compute' | 'dns' | 'fleet'>,
  signal: AbortSignal,
): Promise<Orphans> {
  const { zones } = await fleet.owners()
  const machines = await compute.list(signal)
  const records = (await Promise.all(zones.map(zone => dns.list(zone, signal)))).flat()
  // Asked after the lists: whatever was bought before they were made has its owner in here.
  const owners = await fleet.owners()
  const stray = machines.filter(machine => !ownsMachine(owners, machine.key))
  return {
    machines: stray.map(({ key, id, name, type, location, monthlyPrice, currency }) => ({
      ...{ key, id, name, type, location, monthlyPrice, currency },
    })),
    records: records.filter(record => !ownsRecord(owners, record.name)),
    states: owners.states.filter(key => !ownsMachine(owners, key)),
    monthlyCost: costOf(stray),
  }
}

function costOf(machines: readonly Machine[]): Record<string, number> {
  const cost: Record<string, number> = {}
  for (const { currency, monthlyPrice } of machines) cost[currency] = (cost[currency] ?? 0) + monthlyPrice
  return cost
}
