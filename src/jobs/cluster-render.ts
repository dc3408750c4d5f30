import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { clusterName } from '../render/lvs/cluster-schema.js'
import { changeSchema } from './balancer-host.js'
import { documentOf, renderDocument } from './cluster-files.js'

export const clusterRender = defineJob({
  name: 'cluster.render',
  summary: 'Renders the files of every balancer of a cluster, and notes which revision they are.',
  queue: 'nodes',
  uses: ['clusters', 'vault', 'settings'],
  input: z.object({ cluster: clusterName, change: changeSchema }),
  output: z.object({ revision: z.string() }),
  key: input => `render-${input.cluster}`,
  target: input => input.cluster,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '2m' },

  async run({ input, ports }) {
    const document = await documentOf(ports, input)
    const { id } = await renderDocument(ports, document)
    await ports.clusters.rendered(input.cluster, document.version, id)
    return { revision: id }
  },

  // A revision that no balancer is told to have changes nothing.
  undo: 'nothing-to-undo',
})
