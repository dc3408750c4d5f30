import type { Argv } from './compose.js'

/** Our program on a balancer, which keeps its revisions. */
export const BALANCER_PROGRAM = '/usr/local/sbin/lazarus-lvs'
/** It exits with this when the revision is not there, and when another action is at work on it. */
export const NOT_STAGED = 66
export const BUSY = 75
/** Where revisions are kept; one that is being filled has `.part` behind its name. */
export const REVISIONS = '/var/lib/lazarus/lvs'

/** Begins a revision as a copy of what is in force; prints `<sha256>  <path>` of every file in it. */
export const beginRevision = (revision: string): Argv => [BALANCER_PROGRAM, 'begin', revision]
/** Makes what was begun a revision; standard input: `<sha256>  <path>` of every file that it must have. */
export const finishRevision = (revision: string): Argv => [BALANCER_PROGRAM, 'finish', revision]
/**
 * Exit 0: keepalived and the routing daemon of the balancer admit the revision, and the keepalived is of the dialect
 * that the revision is written in.
 */
export const checkRevision = (revision: string, dialect: string): Argv => [
  BALANCER_PROGRAM,
  'check',
  revision,
  dialect,
]
/** Makes a revision the one in force; nothing is reloaded, nor gone back by itself from another. */
export const activateRevision = (revision: string): Argv => [BALANCER_PROGRAM, 'activate', revision]
/**
 * Makes the programs read what is in force; prints, for `readObservation`, what the balancer did before, which is
 * before the first reload since the last good revision. After `grace` seconds without `markGood` the balancer goes
 * back to its last good revision by itself.
 */
export const reloadBalancer = (grace?: number): Argv => [
  ...[BALANCER_PROGRAM, 'reload'],
  ...(grace === undefined ? [] : [String(grace)]),
]
/** Notes that what is in force has proved itself. */
export const markGood = (): Argv => [BALANCER_PROGRAM, 'good']
/** Has what is in force stay, though nothing has proved itself: the balancer does not go back by itself any more. */
export const keepRevision = (): Argv => [BALANCER_PROGRAM, 'keep']
/** Goes back to what proved itself last, and reloads. */
export const revertBalancer = (): Argv => [BALANCER_PROGRAM, 'revert']
/** Prints what the balancer does, in sections for `readObservation`; what is long is packed (gzip, base64). */
export const observeBalancer = (): Argv => [BALANCER_PROGRAM, 'observe']
/** The same without its services, which are the most of it. */
export const observeBriefly = (): Argv => [BALANCER_PROGRAM, 'observe', 'brief']
/** Prints the digest of our program, as `sha256sum` does. */
export const programDigest = (): Argv => ['sha256sum', '--', BALANCER_PROGRAM]
/** Removes all but so many of the newest revisions; what is in force and the last good one stay in any case. */
export const pruneRevisions = (count: number): Argv => [BALANCER_PROGRAM, 'prune', String(count)]

/**
 * Takes the weight of hosts of a VIP away: they keep their connections, and get no new ones. All of them IPv4 addresses.
 * Clients that persistence kept on a host go elsewhere (`expire_quiescent_template`). That setting stays: two drains may
 * overlap, and clients of a host that fails its check are better off with it as well. `by`: who takes them.
 */
export const quiesceHosts = (vip: string, addresses: readonly string[], by: string | null = null): Argv => [
  ...[BALANCER_PROGRAM, 'quiesce', ...owner(by), vip, ...addresses],
]
/**
 * Gives the weights back that were taken away, those that `by` took, or all; save to hosts that do not listen; prints
 * these.
 */
export const restoreHosts = (vip: string, addresses: readonly string[], by: string | null = null): Argv => [
  ...[BALANCER_PROGRAM, 'restore', ...owner(by), vip, ...addresses],
]
const owner = (by: string | null) => (by === null ? [] : [`by=${by}`])
/** The cost at which routers prefer any other balancer. */
const DEAR = 60_000
/** Has the routers prefer other balancers, also after a restart of the routing daemon. */
export const raiseCost = (): Argv => [BALANCER_PROGRAM, 'cost', String(DEAR)]
/** Ends that. */
export const resetCost = (): Argv => [BALANCER_PROGRAM, 'cost', 'default']
