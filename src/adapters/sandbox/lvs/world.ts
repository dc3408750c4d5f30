import { randomBytes } from 'node:crypto'
import { mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { type Subnet, subnetOf } from '../addresses.js'
import { lockDirectory, removeLeftovers } from '../leftovers.js'
import { claimSubnet, releaseSubnet } from '../machines/network.js'
import { SandboxUnavailable } from '../requirements.js'
import { run } from '../run.js'
import { balancerAddresses, hostAddress, MOST_BALANCERS, MOST_HOSTS, VIPNETS } from './addresses.js'
import { Balancer } from './balancer.js'
import { Client } from './client.js'
import { Host } from './host.js'
import { lvsObstacles } from './requirements.js'
import { Router } from './router.js'
import { Stage } from './stage.js'

export interface LvsWorldOptions {
  /** Its own; what a killed world left there is removed first. */
  directory: string
  /** Who may log in to balancers as root, as in `authorized_keys`. */
  authorizedKeys: readonly string[]
  balancers: number
  hosts: number
  /** Number of the sandbox whose subnet it joins (198.18.n.0/24); absent: it claims one for itself. */
  joins?: number
}

/** Balancers that run, an FRR router before them, a client beyond it, nginx hosts behind. */
export interface LvsWorld {
  balancers: readonly Balancer[]
  router: Router
  hosts: readonly Host[]
  client: Client
  /** What balancers and router prove themselves to each other with. */
  ospfKey: string
  vipnets: readonly string[]
  /** Ends everything; nothing is left. May be called again. */
  close(): Promise<void>
}

type Closers = (() => Promise<void> | void)[]

/**
 * Raises a world of balancers. Everything is in namespaces that end with this process, however it ends. Throws
 * `SandboxUnavailable` with what is missing when it cannot run here; nothing is left then.
 */
export async function startLvsWorld(options: LvsWorldOptions): Promise<LvsWorld> {
  if (options.balancers > MOST_BALANCERS || options.hosts > MOST_HOSTS)
    throw new RangeError(`a world has at most ${MOST_BALANCERS} balancers and ${MOST_HOSTS} hosts`)
  const [obstacle] = await lvsObstacles()
  if (obstacle !== undefined) throw new SandboxUnavailable(`balancers cannot run here: ${obstacle}`)
  const closers: Closers = []
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer()
  }
  try {
    return { ...(await assemble(options, closers)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function assemble(options: LvsWorldOptions, closers: Closers): Promise<Omit<LvsWorld, 'close'>> {
  mkdirSync(options.directory, { recursive: true, mode: 0o700 })
  const directory = realpathSync(options.directory)
  closers.push(lockDirectory(directory))
  await removeLeftovers(directory)
  const subnet = await joinOrClaim(options.joins, directory, closers)
  const machines = join(directory, 'machines')
  mkdirSync(join(machines, 'stage'), { recursive: true })
  const stage = await Stage.open(join(machines, 'stage'))
  closers.push(() => stage.close())
  await stage.plug(`lz${subnet.n}-lvs`, subnet.bridge, 'inside')
  await stage.batch(['link set inside master switch', 'link set inside up'])
  const ospfKey = randomBytes(6).toString('hex')
  const client = await Client.make(stage)
  const hosts = await makeHosts(options, stage, subnet, machines)
  const balancers = await makeBalancers(options, stage, subnet, machines)
  const router = new Router(stage)
  await Promise.all([
    router.start(balancers, ospfKey),
    ...hosts.map(each => each.start()),
    ...balancers.map(each => each.start()),
  ])
  return { balancers, router, hosts, client, ospfKey, vipnets: VIPNETS }
}

async function joinOrClaim(joins: number | undefined, directory: string, closers: Closers): Promise<Subnet> {
  if (joins !== undefined) return subnetOf(joins)
  const subnet = await claimSubnet(directory, null)
  closers.push(() => releaseSubnet(subnet, directory))
  return subnet
}

async function makeHosts({ hosts }: LvsWorldOptions, stage: Stage, { n }: Subnet, directory: string) {
  const tls = join(directory, 'tls.pem')
  const request = ['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  await run('openssl', [...request, '-subj', '/CN=ws', '-days', '2', '-keyout', tls, '-out', `${tls}.crt`])
  return inTurn(hosts, k => Host.make(stage, { name: `ws${k}`, ip: hostAddress(n, k), directory, tls }))
}

const makeBalancers = (
  { balancers, authorizedKeys }: LvsWorldOptions,
  stage: Stage,
  { n }: Subnet,
  directory: string,
) =>
  inTurn(balancers, k =>
    Balancer.make(stage, { name: `lb${k}`, addresses: balancerAddresses(n, k), directory, authorizedKeys }),
  )

/** Makes numbers 1 to `count`, one after the other. */
async function inTurn<T>(count: number, make: (k: number) => Promise<T>): Promise<T[]> {
  const made: T[] = []
  for (let k = 1; k <= count; k++) made.push(await make(k))
  return made
}
