import { z } from 'zod'
import { greet } from '../commands/machine.js'
import { defineJob } from '../core/define-job.js'
import { Fatal, PortError, WaitFor } from '../core/errors.js'
import { nodeName } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'

/** A machine that is still booting is nothing wrong, so waiting spends no attempt. */
export const sshWait = defineJob({
  name: 'ssh.wait',
  summary: 'Waits until the machine lets us in and shows the host key we pinned.',
  queue: 'ssh',
  uses: ['ssh'],
  input: z.object({ node: nodeName, host: sshHostSchema }),
  output: z.object({}),
  key: input => `ssh-${input.node}`,
  target: input => input.node,
  commands: [greet()],
  retry: { attempts: 2, first: '5s', max: '30s', timeout: '5m' },

  async run({ input, ports, signal, log }) {
    const { code, stdout } = await ports.ssh
      .exec(input.host, greet(), { timeout: 10_000 }, signal)
      .catch(error => wait(error, input.host.address))
    if (code !== 0) throw new WaitFor('1s', `the machine lets us in but answers with exit code ${code}`)
    log(stdout.trim())
    return {}
  },

  undo: 'nothing-to-undo',
})

function wait(error: unknown, address: string): never {
  if (!(error instanceof PortError)) throw error
  if (error.code === 'host-key-mismatch')
    throw new Fatal(
      error.code,
      `${address} shows another host key than the one we gave: someone else answers there, or the machine was bought by another installation with nodes of the same name. Cancel the run.`,
      { cause: error },
    )
  if (!error.retryable) throw error
  throw new WaitFor('1s', `not reachable yet: ${error.message}`)
}
