import { defineWorkflow } from '../core/define-workflow.js'
import { certificateDeploy } from '../jobs/certificate-deploy.js'
import { certificateIssue } from '../jobs/certificate-issue.js'
import { place } from './fields.js'

export const certificateRenew = defineWorkflow({
  name: 'certificate.renew',
  summary: 'Renews the certificate of a node in service, without a connection lost.',
  input: certificateDeploy.input,
})
  .step('issue', certificateIssue, ({ input }) => place(input))
  .step('deploy', certificateDeploy, ({ input }) => ({ ...place(input), host: input.host }), {
    after: ['issue'],
  })
  .build()
