import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { clusterName } from '../render/lvs/cluster-schema.js'
import { changeSchema } from './balancer-host.js'
import { documentOf } from './cluster-files.js'

export const clusterSettle = defineJob({
  name: 'cluster.settle',
  summary: 'Notes that every balancer of a cluster was given this version of it.',
  queue: 'nodes',
  uses: ['clusters'],
  input: z.object({ cluster: clusterName, change: changeSchema }),
  output: z.object({ version: z.int() }),
  key: input => `settle-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '1m' },

  async run({ input, ports }) {
    const { version } = await documentOf(ports, input)
    await ports.clusters.published(input.cluster, version)
    return { version }
  },

  // The balancers have it, whatever becomes of the run.
  undo: 'nothing-to-undo',
})
