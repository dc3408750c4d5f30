import { z } from 'zod'
import type { Balancer } from '../adapters/sandbox/lvs/balancer.js'
import type { Answer } from '../adapters/sandbox/lvs/client.js'
import { lvsChanged, type Run, started } from '../cli/answers.js'
import type { Output } from '../cli/output.js'
import { progressView } from '../cli/progress.js'
import { watchRun } from '../cli/watch.js'
import { Fatal } from '../core/errors.js'
import { requireSuccess, shown } from './demo-acts.js'
import type { LvsMessages } from './demo-lvs-messages.js'
import type { BalancerStage } from './demo-lvs-world.js'
import type { DemoWorld } from './demo-world.js'

/** What every act has. */
export interface LvsStage {
  world: DemoWorld
  lvs: BalancerStage
  text: LvsMessages
  output: Output
  say: (line: string) => void
  signal: AbortSignal
}

const NAME = 'demo'
const [VIP, BAD] = ['198.19.100.1', '198.19.100.2']
const REQUESTS = 20
const URL = `http://${VIP}/`

/** Makes the cluster, has it read, and shows that both balancers serve. */
export async function serve(stage: LvsStage): Promise<void> {
  const { lvs, text, say } = stage
  say(text.creating)
  await change(stage, 'POST', '/lvs', {
    ...{ name: NAME, type: 'extra', device: 'eth0', vipnets: lvs.vipnets },
    lbinfos: lvs.balancers.map(({ lbinfo }) => lbinfo),
    vip2ws: [natVip(VIP, lvs.names, 8080)],
  })
  await stage.world.api.send('PUT', `/lvs/${NAME}/ospf-key`, z.unknown(), { body: { key: lvs.ospfKey } })
  say(text.syncing)
  await change(stage, 'POST', '/lvs/sync', { name: NAME, policy: 'rolling', confirm: 'safe' })
  say(text.routes)
  await lvs.nextHops(VIP, lvs.balancers.length, stage.signal)
  await showRoute(stage)
  for (const each of lvs.balancers) await showOn(stage, each, ['ipvsadm', '-Ln'])
  // Each balancer counts for itself, and the router picks one by the ports of a connection.
  const seen = new Set<string>()
  for (let tries = 0; tries < REQUESTS && seen.size < lvs.names.length; tries++)
    seen.add(await request(stage))
  if (seen.size < lvs.names.length)
    throw new Fatal('not-spread', `${REQUESTS} requests were all answered by ${[...seen].join(', ')}`)
}

/** Cuts the power of a balancer and gives it back. */
export async function loseOne(stage: LvsStage): Promise<void> {
  const { lvs, text, say, signal } = stage
  const victim = lvs.balancers[0] as Balancer
  say(text.killing(victim.name))
  const died = Date.now()
  await victim.kill()
  await lvs.nextHops(VIP, lvs.balancers.length - 1, signal)
  say(text.failedOver(((Date.now() - died) / 1000).toFixed(1)))
  await showRoute(stage)
  await request(stage)
  await victim.start()
  await lvs.nextHops(VIP, lvs.balancers.length, signal)
  say(text.returned(victim.name))
  await showRoute(stage)
}

/** Pushes a VIP that nobody stands behind; insists that the first balancer goes back, and the other is left alone. */
export async function breakOne(stage: LvsStage): Promise<void> {
  const { lvs, text, say } = stage
  say(text.breaking)
  const load = lvs.client.load(URL)
  const body = { vip2ws: [natVip(BAD, lvs.names, 9)], cfg_push: false }
  await change(stage, 'POST', `/lvs/${NAME}/vips`, body)
  const run = await push(stage, 'POST', '/lvs/sync', { name: NAME, policy: 'canary', watch: 0 })
  const answers = await load.stop()
  if (run?.status !== 'failed' || run.error?.code !== 'verify-failed')
    throw new Fatal('not-reverted', 'the bad change was not taken back')
  const victim = run.error.message.split(':')[0] ?? ''
  say(text.reverted(victim, run.error.message))
  tellLoss(stage, answers)
}

/** Back to the state before the bad change. */
export async function rollBack(stage: LvsStage): Promise<void> {
  stage.say(stage.text.rollback)
  await change(stage, 'POST', `/lvs/${NAME}/rollback`, { confirm: 'vip-withdrawal' })
  await showRoute(stage)
  await request(stage)
}

/** Takes a host out of rotation while it is asked; insists that no request is lost. */
export async function drainOne(stage: LvsStage): Promise<void> {
  const { lvs, text, say, world, signal, output } = stage
  const ws = lvs.names[1] ?? ''
  say(text.draining(ws))
  const loads = [lvs.client.load(URL), lvs.client.load(`${URL}slow`)]
  const { run } = await world.api.send('POST', `/lvs/${NAME}/drain`, started, { body: { ws, patience: 30 } })
  requireSuccess(await watchRun(world.api, run, progressView(output), signal))
  await showOn(stage, lvs.balancers[0] as Balancer, ['ipvsadm', '-Ln'])
  const answers = (await Promise.all(loads.map(each => each.stop()))).flat()
  tellLoss(stage, answers)
}

function tellLoss({ text, say }: LvsStage, answers: readonly Answer[]): void {
  const lost = answers.filter(({ ok }) => !ok).length
  say(text.lost(lost, answers.length))
  if (lost > 0 || answers.length === 0)
    throw new Fatal('requests-lost', `${lost} of ${answers.length} requests were lost`)
}

const natVip = (vip: string, wss: readonly string[], dport: number) => ({
  ...{ vip, wstype: 'web', kind: 'NAT', scheduler: 'rr', wss },
  ports: [{ sport: 80, dport, persistence_timeout: 0 }],
})

/** A change that must succeed, on the balancers too. */
async function change(...request: Parameters<typeof push>): Promise<void> {
  const run = await push(...request)
  if (run) requireSuccess(run)
}

/** Makes a change, and follows the run that brings it to the balancers to its end; null when there is none. */
async function push(
  { world, say, output, signal }: LvsStage,
  method: 'POST',
  path: string,
  body: object,
): Promise<Run | null> {
  say(`   ${method} /api/v1${path}`)
  const { run } = await world.api.send(method, path, lvsChanged, { body })
  return run ? watchRun(world.api, run, progressView(output), signal) : null
}

async function showRoute(stage: LvsStage): Promise<void> {
  const { router } = stage.lvs
  show(stage, 'router', router.routeCommand(VIP), await router.run(router.routeCommand(VIP)))
}

async function showOn(stage: LvsStage, balancer: Balancer, argv: readonly string[]): Promise<void> {
  show(stage, balancer.name, argv, await stage.lvs.on(balancer, argv))
}

/** Asks as a client does, shows it, and returns the host that answered. */
async function request(stage: LvsStage): Promise<string> {
  const { client } = stage.lvs
  const answer = await client.get(URL)
  show(stage, 'client', client.command(URL), answer)
  return answer
}

function show({ say }: LvsStage, where: string, argv: readonly string[], printed: string): void {
  say(`   ${where}$ ${shown(argv)}`)
  for (const line of printed.trimEnd().split('\n')) say(`   ${line}`)
}
