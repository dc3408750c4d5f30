import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { restartEdge, startEdge } from '../commands/compose.js'
import { nameServers, readResolvers, settleFiles } from '../commands/machine.js'
import { defineJob } from '../core/define-job.js'
import { fqdnOf, placeSchema } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'
import { edgeFiles } from '../render/edge.js'
import { removeEdge } from './edge-remove.js'
import { runAll } from './remote.js'
import { tlsPairOf } from './tls-pair.js'

const START = 5 * 60_000

/** Where the password of a node's Redis lies in the vault: made once, so that Redis and agent agree ever after. */
export const redisPasswordName = (node: string): string => `edge/redis/${node}`
const newPassword = async () => randomBytes(32).toString('base64url')

/**
 * Enrolment token, client id of v2ray and Redis's password travel in files of the machine alone: in no job, no log and
 * no argument.
 */
export const edgeDeploy = defineJob({
  name: 'edge.deploy',
  summary: 'Puts nginx with gate and agent, v2ray and Redis on a machine and starts them.',
  queue: 'ssh',
  uses: ['ssh', 'nodes', 'certificateShelf', 'vault', 'settings'],
  input: placeSchema.extend({
    host: sshHostSchema,
    /** Whether the machine outlives us, so that undo has to clean it. */
    adopted: z.boolean().default(false),
  }),
  output: z.object({}),
  key: input => `deploy-${input.node}`,
  target: input => input.node,
  commands: [readResolvers(), startEdge()],
  retry: { attempts: 5, first: '2s', max: '1m', timeout: '10m' },

  async run(ctx) {
    const { input, ports, signal, attempt, progress } = ctx
    const { publicUrl, heartbeatInterval, missedBeats, edgeImage, edgeSources } = ports.settings
    const node = await ports.nodes.get(input.node)
    const resolvConf = await ports.ssh.exec(input.host, readResolvers(), { timeout: 10_000 }, signal)
    const edge = {
      ...{ node: input.node, fqdn: fqdnOf(input), image: edgeImage },
      ...{ apiBase: publicUrl, heartbeatInterval, missedBeats },
      resolvers: nameServers(resolvConf.stdout),
      addresses: [node?.ipv4, node?.ipv6].filter(address => typeof address === 'string'),
      proxyId: await ports.nodes.proxyId(input.node),
      redisPassword: await ports.vault.getOrCreate(redisPasswordName(input.node), newPassword),
      tls: await tlsPairOf(ports, fqdnOf(input)),
      enrolmentToken: await ports.nodes.enrolmentToken(input.node),
    }
    progress(0.2, 'copying files')
    await ports.ssh.put(input.host, edgeFiles(edge, edgeSources), signal)
    await runAll(ctx, input.host, settleFiles(publicUrl))
    progress(0.4, 'starting the edge')
    await runAll(ctx, input.host, [startEdge()], START)
    // An earlier try may have started it with the files of that try.
    if (attempt > 1) await runAll(ctx, input.host, [restartEdge()])
    return {}
  },

  async undo(ctx) {
    // A machine of ours is destroyed whole, and may not even answer any more.
    if (ctx.input.adopted) await removeEdge(ctx, ctx.input.host)
  },
})
