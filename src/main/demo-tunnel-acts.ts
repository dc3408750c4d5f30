import { user } from '../cli/answers.js'
import { at } from '../cli/client.js'
import { Fatal } from '../core/errors.js'
import { type Node, perform, shown } from './demo-acts.js'
import type { TunnelClient } from './demo-client.js'
import type { Stage } from './demo-stage.js'
import { startTarget, type Target } from './demo-target.js'
import {
  connectThrough,
  download,
  expire,
  importLink,
  isCut,
  proxied,
  type Subscriber,
  type subscribeClients,
  subscription,
} from './demo-tunnel.js'

const MB = 1e6
/** What a plan of the demo allows, in bytes. */
export const TRAFFIC = 5 * MB

/**
 * Real clients import their links, traffic flows through a node, then quota and end cut it off. Throws `Fatal` with
 * the reason when something is not as it should be.
 */
export async function showTunnels(
  stage: Stage,
  through: Node,
  { limited, free }: Awaited<ReturnType<typeof subscribeClients>>,
): Promise<void> {
  stage.say(stage.text.tunnels(through.name))
  const target = await startTarget(stage.world.gateway)
  try {
    await withClient(stage, limited, through, client => showQuota(stage, limited, client, target))
    await withClient(stage, free, through, client => showEnd(stage, free, client, target))
  } finally {
    await target.close()
  }
}

async function withClient(
  stage: Stage,
  who: Subscriber,
  through: Node,
  act: (client: TunnelClient) => Promise<void>,
): Promise<void> {
  const { world, text, say, signal } = stage
  say(text.imported(who.name))
  say(`   $ ${shown(subscription(who.link))}`)
  const way = await importLink(who.link, through, signal)
  const client = await connectThrough(world, way, through, signal)
  try {
    await act(client)
  } finally {
    await client.close()
  }
}

async function showQuota(stage: Stage, who: Subscriber, client: TunnelClient, target: Target): Promise<void> {
  const { world, text, say } = stage
  await carries(stage, client, target)
  say(text.quota(TRAFFIC / MB))
  await cutOff(stage, client, target)
  const { traffic, over } = await world.api.get(at`/users/${who.id}`, user)
  if (!over || traffic.up + traffic.down < TRAFFIC)
    throw new Fatal('not-counted', `${who.name} was cut off without having used up the plan`)
  say(text.used(((traffic.up + traffic.down) / MB).toFixed(1)))
}

async function showEnd(stage: Stage, who: Subscriber, client: TunnelClient, target: Target): Promise<void> {
  await carries(stage, client, target)
  stage.say(stage.text.end)
  await cutOff(stage, client, target, async () => {
    await target.nextStream()
    await expire(stage.world, who)
  })
}

async function carries({ say, signal }: Stage, client: TunnelClient, target: Target): Promise<void> {
  const command = proxied(client, `${target.url}/`)
  say(`   $ ${shown(command)}`)
  const status = await perform(command, signal)
  say(`   ${status}`)
  if (status !== '200') throw new Fatal('unexpected-status', `the target answered ${status} instead of 200`)
}

/** Downloads without end; insists that it is ended, and that nothing new gets through. */
async function cutOff(
  { text, say, signal }: Stage,
  client: TunnelClient,
  target: Target,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<void> {
  const command = download(client, target.url)
  say(`   $ ${shown(command)}`)
  const begun = Date.now()
  const [cut] = await Promise.all([isCut(command, signal), meanwhile()])
  if (!cut) throw new Fatal('not-cut', 'the download was not cut off')
  const seconds = (Date.now() - begun) / 1000
  if (!(await isCut(proxied(client, `${target.url}/`), signal)))
    throw new Fatal('not-refused', 'a new request was not refused')
  say(text.cut(seconds.toFixed(1)))
}
