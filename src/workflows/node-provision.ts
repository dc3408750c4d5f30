import { defineWorkflow } from '../core/define-workflow.js'
import { certificateIssue } from '../jobs/certificate-issue.js'
import { configPush } from '../jobs/config-push.js'
import { configRender } from '../jobs/config-render.js'
import { dnsSet } from '../jobs/dns-set.js'
import { dockerInstall } from '../jobs/docker-install.js'
import { edgeDeploy } from '../jobs/edge-deploy.js'
import { machineBuy } from '../jobs/machine-buy.js'
import { nodeCreate } from '../jobs/node-create.js'
import { nodeRegister } from '../jobs/node-register.js'
import { sshWait } from '../jobs/ssh-wait.js'
import { place, seat } from './fields.js'

// The name is public before the node serves: until then a subscriber who finds it is refused (nothing listens, then
// the gate denies everyone until it has its list) and tries the next node; nobody is let in by an unready gate.
export const nodeProvision = defineWorkflow({
  name: 'node.provision',
  summary: 'From nothing to a node that serves: machine, name, certificate, edge, first beat, configuration.',
  input: machineBuy.input,
})
  .step('create', nodeCreate, ({ input }) => seat(input))
  .step('certificate', certificateIssue, ({ input }) => place(input), { after: ['create'] })
  .step('buy', machineBuy, ({ input }) => ({ ...seat(input), offers: input.offers, image: input.image }), {
    after: ['create'],
  })
  .step('dns', dnsSet, ({ input, buy }) => ({ ...place(input), ipv4: buy.ipv4, ipv6: buy.ipv6 }))
  .step('ssh', sshWait, ({ input, buy }) => ({ node: input.node, host: buy.ssh }))
  .step('docker', dockerInstall, ({ input, buy }) => ({ node: input.node, host: buy.ssh }), {
    after: ['ssh'],
  })
  .step('deploy', edgeDeploy, ({ input, buy }) => ({ ...place(input), host: buy.ssh }), {
    after: ['docker', 'certificate'],
  })
  .step('register', nodeRegister, ({ input }) => ({ node: input.node, incarnation: input.incarnation }), {
    after: ['deploy', 'dns'],
  })
  .step('render', configRender, ({ input }) => ({ node: input.node }), { after: ['register'] })
  .step('push', configPush, ({ input, render }) => ({ node: input.node, version: render.version }))
  .build()
