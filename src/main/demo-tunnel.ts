import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import { plan, user, userLink } from '../cli/answers.js'
import { at } from '../cli/client.js'
import { childEnvironment } from '../config/env.js'
import { Fatal } from '../core/errors.js'
import { readLink, readSubscription, type Way } from '../render/v2ray-client.js'
import { type Node, perform } from './demo-acts.js'
import { startTunnelClient, type TunnelClient } from './demo-client.js'
import type { DemoWorld } from './demo-world.js'

const DAY = 24 * 3600 * 1000
const LONGEST = 30

const subscriber = user.and(userLink)
export type Subscriber = z.output<typeof subscriber>

/** Two people: one with a plan of `traffic` bytes, one without limits until tomorrow. */
export async function subscribeClients(
  { api }: DemoWorld,
  traffic: number,
): Promise<{ limited: Subscriber; free: Subscriber }> {
  const expiresAt = new Date(Date.now() + DAY).toISOString()
  await api.send('POST', '/plans', plan, { body: { name: 'small', traffic } })
  return {
    limited: await api.send('POST', '/users', subscriber, { body: { name: 'carol', plan: 'small' } }),
    free: await api.send('POST', '/users', subscriber, { body: { name: 'dave', expiresAt } }),
  }
}

/** Ends a subscription now. */
export async function expire({ api }: DemoWorld, { id }: Subscriber): Promise<void> {
  const expiresAt = new Date(Date.now() - 1_000).toISOString()
  await api.send('PATCH', at`/users/${id}`, user, { body: { expiresAt } })
}

/** What a link answers that a client imports: the ways through this node. Throws `Fatal` when there is none. */
export async function importLink(link: string, through: Node, signal: AbortSignal): Promise<Way> {
  const links = readSubscription(await perform(subscription(link), signal))
  const way = links.map(readLink).find(({ address }) => address === through.fqdn)
  if (!way) throw new Fatal('no-link', `the subscription has no link through ${through.fqdn}`)
  return way
}

/** The command that fetches what a subscription link answers. */
export const subscription = (link: string): string[] => ['curl', '-sS', '--fail', '--max-time', '10', link]

/** A v2ray client on this machine that goes out through a node, which it reaches by address as the demo has no DNS. */
export function connectThrough(
  { rootFile }: DemoWorld,
  way: Way,
  { ipv4, name }: Node,
  signal: AbortSignal,
): Promise<TunnelClient> {
  if (!ipv4) throw new Fatal('no-address', `${name} has no IPv4 address`)
  return startTunnelClient(way, { issuers: readFileSync(rootFile, 'utf8'), address: ipv4 }, signal)
}

/** The command that asks for a page through a client. */
export const proxied = ({ proxy }: TunnelClient, url: string, seconds = 10): string[] => [
  ...['curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', String(seconds)],
  ...['-x', proxy, url],
]

/** A download that goes on and on, through a client. */
export const download = (client: TunnelClient, url: string): string[] =>
  proxied(client, `${url}/stream`, LONGEST)

/**
 * Runs a command of {@link proxied} and returns whether it was cut off: it ended before its time, and not well.
 * Never throws but for the signal.
 */
export function isCut([program = '', ...argv]: readonly string[], signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    execFile(program, argv, { env: childEnvironment(), signal }, error => {
      if (signal.aborted) reject(signal.reason)
      else resolve(error !== null && error.code !== TIMED_OUT)
    })
  })
}
const TIMED_OUT = 28
