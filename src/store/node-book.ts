import { randomUUID } from 'node:crypto'
import { PortError } from '../core/errors.js'
import type { NodeBook, NodeFacts, NodeRecord, NodeState } from '../ports/records.js'
import type { Db } from './client.js'
import type { Node, Prisma } from './generated/client.js'
import { hashToken, newToken } from './tokens.js'

/** The fleet's book over the Node table. */
export function createNodeBook(db: Db): NodeBook {
  return {
    async get(name) {
      const row = await db.node.findUnique({ where: { name } })
      return row && toRecord(row)
    },
    open: seat => openSeat(db, seat),
    async note(name, facts) {
      await db.node.updateMany({ where: { name }, data: columns(facts) })
    },
    async enrolmentToken(name) {
      const token = newToken()
      const { count } = await db.node.updateMany({
        where: { name },
        data: { enrolmentHash: hashToken(token) },
      })
      if (count === 0) throw new PortError('node-not-found', `there is no node ${name}`, { retryable: false })
      return token
    },
    proxyId: name => proxyId(db, name),
    async deregister(name) {
      await db.node.updateMany({ where: { name }, data: { agentKeyHash: null, enrolmentHash: null } })
    },
    remove: name => removeSeat(db, name),
  }
}

/** One statement, so that two callers get the same one. */
async function proxyId(db: Db, name: string): Promise<string> {
  const [row] = await db.$queryRaw<{ proxyId: string }[]>`
    UPDATE "Node" SET "proxyId" = coalesce("proxyId", ${randomUUID()}) WHERE name = ${name} RETURNING "proxyId"`
  if (!row) throw new PortError('node-not-found', `there is no node ${name}`, { retryable: false })
  return row.proxyId
}

/** A row as jobs see it. */
export function toRecord(row: Node): NodeRecord {
  const address = row.ipv4 ?? row.ipv6
  return {
    name: row.name,
    pool: row.poolName,
    zone: row.zone,
    fqdn: row.fqdn,
    state: row.state as NodeState,
    reason: row.reason,
    incarnation: row.incarnation,
    adopted: row.adopted,
    machine: machineOf(row),
    ipv4: row.ipv4,
    ipv6: row.ipv6,
    ssh:
      address && row.hostKey
        ? { address, port: row.sshPort ?? 22, user: row.sshUser ?? 'root', hostKey: row.hostKey }
        : null,
    desiredVersion: row.desiredVersion,
    configVersion: row.configVersion,
    configError: row.configError,
    lastBeatAt: row.lastBeatAt?.toISOString() ?? null,
    connections: row.connections,
    drainingAt: row.drainingAt?.toISOString() ?? null,
  }
}

function machineOf(row: Node): NodeRecord['machine'] {
  if (row.machineKey === null) return null
  return {
    key: row.machineKey,
    id: row.machineId ?? '',
    type: row.machineType ?? '',
    location: row.machineLocation ?? '',
    monthlyPrice: row.monthlyPrice ?? 0,
    currency: row.currency ?? '',
  }
}

const NO_MACHINE = {
  machineKey: null,
  machineId: null,
  machineType: null,
  machineLocation: null,
  monthlyPrice: null,
  currency: null,
}

/** What a new incarnation must not inherit: above all the old agent's key. */
const FRESH = {
  ...NO_MACHINE,
  state: 'provisioning' satisfies NodeState,
  reason: null,
  ipv4: null,
  ipv6: null,
  hostKey: null,
  enrolmentHash: null,
  agentKeyHash: null,
  lastSeq: 0,
  lastBeatAt: null,
  readyAt: null,
  deadAt: null,
  drainingAt: null,
  connections: null,
  desiredVersion: null,
  configVersion: null,
  configError: null,
  accessList: null,
  accessSeq: null,
}

async function openSeat(db: Db, { name, pool, ...seat }: Parameters<NodeBook['open']>[0]): Promise<void> {
  const row = { ...FRESH, ...seat, poolName: pool }
  try {
    await db.node.upsert({ where: { name }, create: { name, ...row }, update: row })
  } catch (error) {
    if ((await db.pool.count({ where: { name: pool } })) > 0) throw error
    throw new PortError('pool-not-found', `there is no pool ${pool} any more`, {
      retryable: false,
      cause: error,
    })
  }
}

function columns(facts: NodeFacts): Prisma.NodeUpdateManyMutationInput {
  const { machine, ssh, drainingAt, ...plain } = facts
  return {
    ...plain,
    ...(machine !== undefined && machineColumns(machine)),
    ...(ssh !== undefined && {
      sshPort: ssh?.port ?? null,
      sshUser: ssh?.user ?? null,
      hostKey: ssh?.hostKey ?? null,
    }),
    ...(drainingAt !== undefined && { drainingAt }),
    ...(facts.state === 'ready' && { readyAt: new Date() }),
    ...(facts.desiredVersion !== undefined && { configError: null }),
  }
}

const machineColumns = (machine: NodeRecord['machine']) =>
  machine === null
    ? NO_MACHINE
    : {
        machineKey: machine.key,
        machineId: machine.id,
        machineType: machine.type,
        machineLocation: machine.location,
        monthlyPrice: machine.monthlyPrice,
        currency: machine.currency,
      }

async function removeSeat(db: Db, name: string): Promise<void> {
  const hostKeys = `ssh/host-key/${name}.`
  await db.$transaction([
    db.$executeRaw`DELETE FROM "Secret" WHERE name IN (SELECT 'certificate/' || fqdn FROM "Node" WHERE name = ${name})
      OR substr(name, 1, length(${hostKeys})) = ${hostKeys} OR name = ${`edge/redis/${name}`}`,
    db.$executeRaw`DELETE FROM "Certificate" WHERE name IN (SELECT fqdn FROM "Node" WHERE name = ${name})`,
    db.configRevision.deleteMany({ where: { node: name } }),
    db.session.deleteMany({ where: { node: name } }),
    db.usageStream.deleteMany({ where: { node: name } }),
    db.node.deleteMany({ where: { name } }),
  ])
}
