import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { placeSchema } from '../core/names.js'
import { certificateIssue } from '../jobs/certificate-issue.js'
import { configPush } from '../jobs/config-push.js'
import { configRender } from '../jobs/config-render.js'
import { dnsSet } from '../jobs/dns-set.js'
import { dockerInstall } from '../jobs/docker-install.js'
import { edgeDeploy } from '../jobs/edge-deploy.js'
import { nodeCreate } from '../jobs/node-create.js'
import { nodeRegister } from '../jobs/node-register.js'
import { sshPin } from '../jobs/ssh-pin.js'
import { sshWait } from '../jobs/ssh-wait.js'
import { clusterChange } from './cluster-change.js'
import { place } from './fields.js'

export const nodeAdopt = defineWorkflow({
  name: 'node.adopt',
  summary: 'Makes a machine of your own, which accepts our SSH key, a node that serves.',
  input: placeSchema.extend(sshPin.input.shape).extend({
    /** One for each cluster that has VIPs of its pool. */
    joins: z.array(clusterChange.input).default([]),
  }),
})
  .step('create', nodeCreate, ({ input }) => ({ ...place(input), incarnation: 1, adopted: true }))
  .step('certificate', certificateIssue, ({ input }) => place(input), { after: ['create'] })
  .step(
    'pin',
    sshPin,
    ({ input: { node, address, port, user, hostKey } }) => ({ node, address, port, user, hostKey }),
    { after: ['create'] },
  )
  .step('ssh', sshWait, ({ input, pin }) => ({ node: input.node, host: pin.ssh }))
  // Only a machine that let us in gets a name.
  .step('dns', dnsSet, ({ input, pin }) => ({ ...place(input), ipv4: pin.ipv4, ipv6: pin.ipv6 }), {
    after: ['ssh'],
  })
  .step('docker', dockerInstall, ({ input, pin }) => ({ node: input.node, host: pin.ssh }), {
    after: ['ssh'],
  })
  .step('deploy', edgeDeploy, ({ input, pin }) => ({ ...place(input), host: pin.ssh, adopted: true }), {
    after: ['docker', 'certificate'],
  })
  .step('register', nodeRegister, ({ input }) => ({ node: input.node, incarnation: 1 }), {
    after: ['deploy', 'dns'],
  })
  .step('render', configRender, ({ input }) => ({ node: input.node }), { after: ['register'] })
  .step('push', configPush, ({ input, render }) => ({ node: input.node, version: render.version }))
  .each('joins', clusterChange, 'joins', ({ cluster }) => cluster, { after: ['push'] })
  .build()
