import { z } from 'zod'
import { reloadEdge } from '../commands/compose.js'
import { settleTls } from '../commands/machine.js'
import { defineJob } from '../core/define-job.js'
import { fqdnOf, placeSchema } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'
import { tlsFiles } from '../render/edge.js'
import { runAll } from './remote.js'
import { tlsPairOf } from './tls-pair.js'

export const certificateDeploy = defineJob({
  name: 'certificate.deploy',
  summary: 'Puts the certificate of a running node in place and makes nginx take it up.',
  queue: 'ssh',
  uses: ['ssh', 'certificateShelf', 'vault'],
  input: placeSchema.extend({ host: sshHostSchema }),
  output: z.object({}),
  key: input => `deploy-${input.node}`,
  target: input => input.node,
  commands: [settleTls(), reloadEdge()],
  retry: { attempts: 6, first: '10s', max: '10m', timeout: '2m' },

  async run(ctx) {
    const { input, ports, signal } = ctx
    const files = tlsFiles(fqdnOf(input), await tlsPairOf(ports, fqdnOf(input)))
    await ports.ssh.put(input.host, files, signal)
    await runAll(ctx, input.host, [settleTls(), reloadEdge()])
    return {}
  },

  // A newer certificate for the same name serves as well as the older one.
  undo: 'nothing-to-undo',
})
