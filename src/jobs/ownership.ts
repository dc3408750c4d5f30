import type { Owners } from '../ports/fleet.js'

/** Whether a machine key belongs to a node as it is, or to a node that a run is at work on. */
export function ownsMachine({ nodes, claimed }: Owners, key: string): boolean {
  const name = key.slice(0, key.lastIndexOf('.'))
  return claimed.includes(name) || nodes.some(node => `${node.name}.${node.incarnation}` === key)
}

/** Whether a record belongs to a node, or to a node that a run is at work on; a proof for an issuer only to the latter. */
export function ownsRecord({ nodes, claimed }: Owners, record: string): boolean {
  const name = record.replace(/^_acme-challenge\./, '')
  if (claimed.includes(name.split('.')[0] ?? '')) return true
  return name === record && nodes.some(node => node.fqdn === record)
}
