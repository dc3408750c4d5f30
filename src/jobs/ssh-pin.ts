import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { nodeName } from '../core/names.js'
import { sshHostSchema } from '../ports/ssh.js'

/** The first contact with a machine that we did not make. Whoever knows its key beforehand should pass it. */
export const sshPin = defineJob({
  name: 'ssh.pin',
  summary: 'Pins the host key of a machine of your own: the one you name, else the one it shows now.',
  queue: 'ssh',
  uses: ['ssh', 'nodes'],
  input: sshHostSchema.extend({ node: nodeName, hostKey: sshHostSchema.shape.hostKey.nullable() }),
  output: z.object({ ssh: sshHostSchema, ipv4: z.ipv4().nullable(), ipv6: z.ipv6().nullable() }),
  key: input => `ssh-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '5s', max: '1m', timeout: '2m' },

  async run({ input, ports, signal, log }) {
    const { node, ...where } = input
    // A retry must not trust a second key: the first one seen stays.
    const pinned = input.hostKey ?? (await ports.nodes.get(node))?.ssh?.hostKey
    const hostKey = pinned ?? (await ports.ssh.hostKey(where.address, where.port, signal))
    log(`${where.address} is pinned to ${hostKey}`)
    const ssh = { ...where, hostKey }
    const found = isIPv6(ssh.address)
      ? { ssh, ipv4: null, ipv6: ssh.address }
      : { ssh, ipv4: ssh.address, ipv6: null }
    await ports.nodes.note(node, found)
    return found
  },

  // The pin lives in the node's row and goes with it.
  undo: 'nothing-to-undo',
})
