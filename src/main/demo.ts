import { node } from '../cli/answers.js'
import { at } from '../cli/client.js'
import type { Output } from '../cli/output.js'
import { progressView } from '../cli/progress.js'
import { watchRun } from '../cli/watch.js'
import { Fatal } from '../core/errors.js'
import {
  curl,
  deathOf,
  kill,
  type Node,
  perform,
  raise,
  replacementOf,
  requireSuccess,
  resolve,
  shown,
  subscribe,
} from './demo-acts.js'
import { type DemoLanguage, demoMessages } from './demo-messages.js'
import type { Stage } from './demo-stage.js'
import { subscribeClients } from './demo-tunnel.js'
import { showTunnels, TRAFFIC } from './demo-tunnel-acts.js'
import { startWorld } from './demo-world.js'

export interface DemoOptions {
  language: DemoLanguage
  /** End after the summary instead of waiting for Ctrl-C. */
  once: boolean
  /** Where the story is told. */
  output: Output
  /** Gets the summary: before the wait for Ctrl-C, or, with `once`, when nothing is left any more. */
  report: (summary: DemoSummary) => void
  signal: AbortSignal
}

/** What was seen; the last line of `--json`. */
export interface DemoSummary {
  nodes: number
  served: boolean
  denied: boolean
  /** A real v2ray client reached a page through a machine. */
  tunnelled: boolean
  /** Quota and end cut its traffic off. */
  cut: boolean
  resurrected: boolean
  seconds: number
}

const MACHINES = 3

/**
 * Raises three machines, shows who may pass and whose traffic is cut off, kills one and watches it come back. Whatever happens, nothing is left
 * behind. Throws `Fatal` with the reason when something is not as it should be.
 */
export async function runDemo(options: DemoOptions): Promise<void> {
  const { output, once, report, signal } = options
  const text = demoMessages(options.language)
  const begun = Date.now()
  const say = (line: string): void => output.say(line)
  say(text.title)
  say(text.starting)
  const world = await startWorld()
  let summary: DemoSummary
  try {
    signal.throwIfAborted()
    const seen = await play({ output, signal, world, text, say })
    summary = { nodes: MACHINES, ...seen, seconds: Math.round((Date.now() - begun) / 100) / 10 }
    say(text.summary(summary.seconds))
    if (!once) {
      report(summary)
      say(text.staying)
      await untilAborted(signal)
    }
  } finally {
    say(text.ending)
    await world.close()
    say(text.ended)
  }
  if (once) report(summary)
}

async function play(stage: Stage): Promise<Omit<DemoSummary, 'nodes' | 'seconds'>> {
  const { world, text, say, signal } = stage
  say(text.compute(world.compute))
  showAddresses(stage)
  const tokens = await subscribe(world)
  const clients = await subscribeClients(world, TRAFFIC)
  say(text.raising(MACHINES))
  const nodes = await raise(world, MACHINES, progressView(stage.output), signal)
  if (nodes.length !== MACHINES)
    throw new Fatal('wrong-count', `${nodes.length} nodes instead of ${MACHINES}`)
  say(text.valid)
  for (const one of nodes) await request(stage, one, tokens.valid, '200')
  say(text.expired)
  for (const one of nodes) await request(stage, one, tokens.expired, '403')
  const [first] = nodes
  if (first) await showTunnels(stage, first, clients)
  await loseOne(stage, nodes, tokens.valid)
  return { served: true, denied: true, tunnelled: true, cut: true, resurrected: true }
}

/** Asks one machine, shows the command and the answer, and insists on the status. */
async function request(
  { world, say, signal }: Stage,
  target: Node,
  token: string,
  wanted: string,
): Promise<void> {
  const command = curl(world, target, token)
  say(`   $ ${shown(command)}`)
  const status = await perform(command, signal)
  say(`   ${status}`)
  if (status !== wanted)
    throw new Fatal('unexpected-status', `${target.fqdn} answered ${status} instead of ${wanted}`)
}

async function loseOne(stage: Stage, nodes: readonly Node[], token: string): Promise<void> {
  const { world, text, say, signal } = stage
  const victim = nodes[1] ?? nodes[0]
  if (!victim) throw new Fatal('wrong-count', 'there is no machine to kill')
  const command = kill(world, victim.name)
  say(text.kill(victim.name))
  say(`   $ ${shown(command)}`)
  await perform(command, signal)
  const killed = Date.now()
  const death = await deathOf(world, victim.name, signal)
  say(text.noticed(death, ((Date.now() - killed) / 1000).toFixed(1)))
  const run = await replacementOf(world, signal)
  say(text.resurrect(run))
  requireSuccess(await watchRun(world.api, run, progressView(stage.output), signal))
  const successor = await world.api.get(at`/nodes/${victim.name}`, node)
  const address = await resolve(world, victim.fqdn)
  say(text.renamed(victim.fqdn, victim.ipv4 ?? '-', address))
  if (successor.incarnation !== victim.incarnation + 1 || address === victim.ipv4)
    throw new Fatal('not-replaced', `${victim.name} is still the machine it was`)
  await request(stage, { ...successor, ipv4: address }, token, '200')
}

function showAddresses({ world, text, say }: Stage): void {
  say(text.addresses(world.api.url))
  say(text.token(world.adminToken))
}

/** Resolves when the signal comes. */
export const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
