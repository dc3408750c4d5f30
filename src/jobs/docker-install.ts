import { z } from 'zod'
import {
  COMPOSE_PACKAGES,
  composeAnswers,
  DOCKER_PACKAGES,
  dockerAnswers,
  installPackages,
  repairPackages,
  updatePackages,
} from '../commands/docker.js'
import { defineJob } from '../core/define-job.js'
import { PortError } from '../core/errors.js'
import { nodeName } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'
import { runAll, succeeds } from './remote.js'

const INSTALL = 5 * 60_000

/** Looks first, installs what is missing, and believes only a second look. */
export const dockerInstall = defineJob({
  name: 'docker.install',
  summary: 'Installs Docker and Compose on a machine, unless both answer already.',
  queue: 'ssh',
  uses: ['ssh'],
  input: z.object({ node: nodeName, host: sshHostSchema }),
  output: z.object({}),
  key: input => `docker-${input.node}`,
  target: input => input.node,
  commands: [updatePackages(), installPackages(DOCKER_PACKAGES), composeAnswers()],
  retry: { attempts: 5, first: '2s', max: '2m', timeout: '15m' },

  async run(ctx) {
    const { host } = ctx.input
    // After a try that broke off, Docker may answer although its package is half configured: first put that right.
    if (ctx.attempt > 1) await runAll(ctx, host, repairPackages(), INSTALL)
    const docker = await succeeds(ctx, host, dockerAnswers())
    if (docker && (await succeeds(ctx, host, composeAnswers()))) return {}
    ctx.progress(0.1, 'reading package lists')
    await runAll(ctx, host, [updatePackages()], INSTALL)
    ctx.progress(0.3, 'installing')
    // An installation that broke off may be on record as done, with a program missing: installing would change nothing.
    const anew = ctx.attempt > 1
    if (!docker)
      await runAll(ctx, host, [installPackages(DOCKER_PACKAGES, { anew }), dockerAnswers()], INSTALL)
    for (const name of COMPOSE_PACKAGES) {
      if (await succeeds(ctx, host, composeAnswers())) return {}
      await ctx.ports.ssh.exec(host, installPackages([name]), { timeout: INSTALL }, ctx.signal)
    }
    if (await succeeds(ctx, host, composeAnswers())) return {}
    throw new PortError('no-compose', `none of ${COMPOSE_PACKAGES.join(', ')} could be installed`, {
      retryable: true,
    })
  },

  // Docker on a machine of ours goes with it; on one of yours it may serve others too.
  undo: 'nothing-to-undo',
})
