import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { clusterEdit, editSchema } from '../jobs/cluster-edit.js'
import { clusterSync } from './cluster-sync.js'

export const clusterChange = defineWorkflow({
  name: 'cluster.change',
  summary:
    'Writes a cluster anew and brings its balancers to that, as a part of a run that is about its hosts.',
  input: clusterSync.input.extend({ edit: editSchema, note: z.string() }),
})
  .step('edit', clusterEdit, ({ input }) => ({
    ...{ cluster: input.cluster, change: input.change, edit: input.edit, note: input.note },
  }))
  .run(
    'sync',
    clusterSync,
    ({ input }) => ({
      ...{
        cluster: input.cluster,
        change: input.change,
        confirm: input.confirm,
        agreedVips: input.agreedVips,
      },
      ...{
        force: input.force,
        reloads: input.reloads,
        all: input.all,
        publish: input.publish,
        canary: input.canary,
      },
      ...{ rest: input.rest, watched: input.watched, watchSeconds: input.watchSeconds },
    }),
    { after: ['edit'] },
  )
  .build()
