import { z } from 'zod'
import { removeFiles, stopEdge } from '../commands/compose.js'
import { defineJob, type JobContext } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { nodeName } from '../core/names.js'
import type { SshHost } from '../ports/ssh.js'
import { EDGE_ROOT } from '../render/compose.js'
import { runAll, succeeds } from './remote.js'

/** For a machine that stays with its owner; a machine of ours is destroyed instead. */
export const edgeRemove = defineJob({
  name: 'edge.remove',
  summary: 'Stops the edge on a machine of your own and removes every file we put there.',
  queue: 'ssh',
  uses: ['ssh', 'nodes'],
  input: z.object({ node: nodeName }),
  output: z.object({}),
  key: input => `deploy-${input.node}`,
  target: input => input.node,
  commands: [stopEdge(), removeFiles()],
  retry: { attempts: 5, first: '5s', max: '2m', timeout: '5m' },

  async run(ctx) {
    const node = await ctx.ports.nodes.get(ctx.input.node)
    if (!node) return {}
    if (!node.ssh) throw new Fatal('no-address', `where ${node.name} can be reached was never learned`)
    await removeEdge(ctx, node.ssh)
    return {}
  },

  // What was removed is put back by adopting the machine again.
  undo: 'nothing-to-undo',
})

/** Stops the edge and removes its files; nothing there is fine. */
export async function removeEdge(
  ctx: Pick<JobContext<unknown, 'ssh'>, 'ports' | 'signal'>,
  host: SshHost,
): Promise<void> {
  if (await succeeds(ctx, host, ['test', '-e', `${EDGE_ROOT}/docker-compose.yml`]))
    await runAll(ctx, host, [stopEdge()])
  await runAll(ctx, host, [removeFiles()])
}
