import { gunzipSync } from 'node:zlib'
import { z } from 'zod'
import { BUSY, observeBalancer, observeBriefly } from '../commands/balancer.js'
import type { Argv } from '../commands/compose.js'
import { Fatal, PortError } from '../core/errors.js'
import type { ClusterDocument, Observation } from '../ports/clusters.js'
import type { Ports } from '../ports/index.js'
import type { ExecResult } from '../ports/ssh.js'
import { type SshHost, sshHostSchema } from '../ports/ssh.js'
import { clusterName, type Lb, lbSchema } from '../render/lvs/cluster-schema.js'
import { readObservation } from '../render/lvs/observe.js'

/** What a change of a cluster is called. */
export const changeSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._~-]{0,99}$/)
/** A balancer's host name. */
export const lbName = lbSchema.shape.hostname
/** A balancer, and the change of its cluster that it is to have. */
export const balancerTarget = z.object({ cluster: clusterName, change: changeSchema, lb: lbName })

/** A balancer as a document describes it. Throws `Fatal` (`balancer-gone`). */
export function lbOf({ cluster }: Pick<ClusterDocument, 'cluster'>, hostname: string): Lb {
  const lb = cluster.lbinfos.find(each => each.hostname === hostname)
  if (!lb) throw new Fatal('balancer-gone', `${hostname} is not in cluster ${cluster.name} any more`)
  return lb
}

/**
 * Where SSH reaches a balancer. Its key is the one in the document, else the one seen at first contact, which the
 * operators are told of. Throws `PortError`.
 */
export async function balancerHost(
  ports: Pick<Ports, 'clusters' | 'resolver' | 'ssh' | 'notices'>,
  lb: Lb,
  signal: AbortSignal,
): Promise<SshHost> {
  const { address: name = lb.internalip, port = 22, user = 'root', hostKey } = lb.ssh ?? {}
  const address = (await ports.resolver.addresses([name], signal)).get(name) ?? null
  if (address === null)
    throw new PortError('no-address', `${name} has no address, or several: where is ${lb.hostname}?`, {
      retryable: true,
    })
  const where = { address, port, user }
  const pinned = hostKey ?? (await ports.clusters.balancer(lb.hostname))?.hostKey
  return sshHostSchema.parse({ ...where, hostKey: pinned ?? (await firstContact(ports, lb, where, signal)) })
}

/** Two may meet a balancer for the first time at once: what stands in the book then counts for both. */
async function firstContact(
  { clusters, ssh, notices }: Pick<Ports, 'clusters' | 'ssh' | 'notices'>,
  { hostname }: Lb,
  { address, port }: { address: string; port: number },
  signal: AbortSignal,
): Promise<string> {
  const shown = await ssh.hostKey(address, port, signal)
  const known = (await clusters.balancer(hostname))?.hostKey
  if (known) return known
  await clusters.note(hostname, { hostKey: shown })
  await notices.tell({
    ...{ once: `lvs-host-key/${hostname}/${shown}`, kind: 'balancer-host-key', subject: hostname },
    text: `${hostname} showed its host key for the first time, and it is trusted from now on: ${shown}`,
  })
  return shown
}

/** What is needed to talk to a balancer. */
export interface Line {
  ports: Pick<Ports, 'ssh'>
  signal: AbortSignal
}

/** Runs an action of our program. Throws a retryable `PortError` while another action is at work. */
export async function act(
  { ports, signal }: Line,
  host: SshHost,
  argv: Argv,
  { timeout = 60_000, stdin }: { timeout?: number; stdin?: string } = {},
): Promise<ExecResult> {
  const options = stdin === undefined ? { timeout } : { timeout, stdin }
  const result = await ports.ssh.exec(host, argv, options, signal)
  if (result.code === BUSY) throw new PortError('balancer-busy', wordsOf(result), { retryable: true })
  return result
}

/** The same for an action that has to succeed: else a retryable `PortError` with what was said. */
export async function actWell(
  line: Line,
  host: SshHost,
  argv: Argv,
  options: { timeout?: number; stdin?: string } = {},
): Promise<string> {
  const result = await act(line, host, argv, options)
  if (result.code === 0) return result.stdout
  throw new PortError('remote-command-failed', `${argv.slice(0, 2).join(' ')}: ${wordsOf(result)}`, {
    retryable: true,
  })
}

const TAIL = 600

/** The end of what a balancer said, for people. A routing daemon repeats the line that it refuses: not with the key. */
export const wordsOf = ({ stdout, stderr, code }: ExecResult): string =>
  (stderr.trim() || stdout.trim() || `exit code ${code}`)
    .replace(/(message-digest-key\s+\d+(?:\s+md5)?\s+)\S+/g, '$1***')
    .slice(-TAIL)

/** What a balancer does just now; `brief`: without its services. Throws `PortError`. */
export async function observe(line: Line, host: SshHost, brief = false): Promise<Observation> {
  return readable(
    await actWell(line, host, brief ? observeBriefly() : observeBalancer(), { timeout: 30_000 }),
  )
}

/** What a balancer may say when unpacked; with ten thousand services of twenty hosts it says 30 MB. */
const UNPACKED = 64 * 1024 * 1024

/** The observation in what a balancer printed. */
export function readable(text: string): Observation {
  try {
    const packed = !text.startsWith('== ')
    return readObservation(
      packed ? gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: UNPACKED }).toString('utf8') : text,
    )
  } catch (error) {
    throw new PortError('bad-observation', 'the balancer said of itself what cannot be read', {
      retryable: true,
      cause: error,
    })
  }
}
