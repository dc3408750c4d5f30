import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { LAST, type Subnet, subnetOf } from '../addresses.js'
import { SandboxUnavailable } from '../requirements.js'
import { run } from '../run.js'

const ALIAS = 'lazarus-sandbox '

/** Whether this host has IPv6 at all. */
export function hasIpv6(): boolean {
  const file = '/proc/sys/net/ipv6/conf/all/disable_ipv6'
  return existsSync(file) && readFileSync(file, 'utf8').trim() === '0'
}

/** The directory of the sandbox that a bridge belongs to, or null when there is no such bridge. */
export async function ownerOf(bridge: string): Promise<string | null> {
  const file = `/sys/class/net/${bridge}/ifalias`
  if (!existsSync(file)) return null
  const alias = readFileSync(file, 'utf8').trim()
  return alias.startsWith(ALIAS) ? alias.slice(ALIAS.length) : ''
}

/**
 * Claims a subnet by making its bridge, which only one can. `wanted` is the number that machines of this sandbox
 * already have addresses in. Throws `SandboxUnavailable` when that one, or every one, is taken.
 */
export async function claimSubnet(directory: string, wanted: number | null): Promise<Subnet> {
  const numbers = wanted === null ? Array.from({ length: LAST }, (_, i) => i + 1) : [wanted]
  for (const n of numbers) {
    const subnet = subnetOf(n)
    const owner = await ownerOf(subnet.bridge)
    // Left over: by us, or by a sandbox whose directory is no more.
    if (owner === directory || (owner && !existsSync(owner))) await removeBridge(subnet.bridge)
    if (!addressTaken(n) && (await makeBridge(subnet, directory))) return subnet
  }
  throw new SandboxUnavailable(
    wanted === null
      ? 'all sandbox networks of this host are in use: end some of the sandboxes'
      : `the network ${subnetOf(wanted).cidr} of this sandbox is in use by another: end that one, or name a new --data directory`,
  )
}

const addressTaken = (n: number): boolean =>
  Object.values(networkInterfaces()).some(list =>
    list?.some(({ address }) => address.startsWith(`198.18.${n}.`)),
  )

async function makeBridge(subnet: Subnet, directory: string): Promise<boolean> {
  const { bridge, n } = subnet
  const mac = `02:4c:5a:01:00:${n.toString(16).padStart(2, '0')}`
  try {
    await run(
      'ip',
      'link add dev @ address # type bridge stp_state 0 forward_delay 0'
        .split(' ')
        .map(word => (word === '@' ? bridge : word === '#' ? mac : word)),
    )
  } catch (error) {
    if (error instanceof Error && /exists/.test(error.message)) return false
    throw error
  }
  await run('ip', ['link', 'set', 'dev', bridge, 'alias', `${ALIAS}${directory}`])
  await run('ip', ['address', 'add', `${subnet.gateway}/24`, 'dev', bridge])
  if (hasIpv6()) await run('ip', ['address', 'add', `${subnet.gateway6}/48`, 'dev', bridge, 'nodad'])
  await run('ip', ['link', 'set', 'dev', bridge, 'up'])
  return true
}

/** Takes the bridge of a sandbox down, if it is there. Another may have claimed the subnet since: its bridge stays. */
export async function releaseSubnet({ bridge }: Subnet, directory: string): Promise<void> {
  if ((await ownerOf(bridge)) === directory) await removeBridge(bridge)
}

/** Takes a bridge down, if it is there, with all links to machines on it. */
export async function removeBridge(bridge: string): Promise<void> {
  if (!existsSync(`/sys/class/net/${bridge}`)) return
  await run('ip', ['link', 'delete', 'dev', bridge])
}

/** Takes the host's end of a machine's link down, if it is there: its address is dead from then on. */
export async function removeLink(link: string): Promise<void> {
  if (!existsSync(`/sys/class/net/${link}`)) return
  try {
    await run('ip', ['link', 'delete', 'dev', link])
  } catch (error) {
    // The end of its namespace may have taken it first.
    if (!(error instanceof Error && /Cannot find device/.test(error.message))) throw error
  }
}
