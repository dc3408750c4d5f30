import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { Fatal, PortError } from '../core/errors.js'
import { machineKey, seatSchema } from '../core/names.js'
import { machineSchema } from '../ports/compute.js'
import { sshHostSchema } from '../ports/ssh.js'
import { renderCloudInit } from '../render/cloud-init.js'
import { hostKeyName, hostKeyOf } from './host-key.js'

/** Buys the machine of a node. Its SSH host key is made here first, so that the first login is already pinned. */
export const machineBuy = defineJob({
  name: 'machine.buy',
  summary: 'Buys a machine, or adopts the one already bought under this key.',
  queue: 'machines',
  uses: ['compute', 'nodes', 'ssh', 'vault'],
  input: seatSchema.extend({
    /** Tried in this order when the provider has none left. */
    offers: z.array(z.object({ type: z.string(), location: z.string() })).min(1),
    image: z.string(),
  }),
  output: machineSchema.pick({ id: true, ipv4: true, ipv6: true }).extend({ ssh: sshHostSchema }),
  key: machineKey,
  target: input => input.node,
  retry: { attempts: 10, first: '1s', max: '5m', timeout: '10m' },

  async run({ input, key, ports, signal, progress, attempt }) {
    const hostKey = await hostKeyOf(ports, key)
    const userData = renderCloudInit({
      hostname: input.node,
      hostKeyPrivate: hostKey.privateKey,
      hostKeyPublic: hostKey.publicKey,
      authorizedKeys: [await ports.ssh.authorizedKey()],
    })
    const spec = {
      key,
      name: input.node,
      pool: input.pool,
      offers: input.offers,
      image: input.image,
      userData,
    }
    const machine = await ports.compute.create(spec, signal, progress).catch(explain(attempt))
    const { ipv4, ipv6 } = machine
    const ssh = { address: ipv4, port: 22, user: 'root', hostKey: hostKey.publicKey }
    await ports.nodes.note(input.node, { machine, ipv4, ipv6, ssh })
    return { id: machine.id, ipv4, ipv6, ssh }
  },

  async undo({ input, key, ports, signal, progress }) {
    await ports.compute.destroy(key, signal, progress)
    await ports.nodes.note(input.node, { machine: null, ipv4: null, ipv6: null, ssh: null })
    await ports.vault.remove(hostKeyName(key))
  },
})

/** How often every offer is asked for before a person is told. What is sold out stays so for longer than any retry. */
const LOOKS = 2
const SOLD_OUT =
  'retry the run when there are some again, or cancel it, name other types or locations for the pool and scale out anew'

/** The provider's refusals that only a person can lift, with what to do about them. */
const REFUSALS: Record<string, string> = {
  unauthorized: 'the provider does not know the token: set HCLOUD_TOKEN to a valid one, then retry the run',
  forbidden: 'the token may not buy machines: give it read and write rights, then retry the run',
}

const explain =
  (attempt: number) =>
  (error: unknown): never => {
    if (!(error instanceof PortError)) throw error
    if (error.code === 'resource_unavailable' && attempt >= LOOKS)
      throw new Fatal(error.code, `${error.message}: ${SOLD_OUT}`, { cause: error })
    const wayOn = REFUSALS[error.code]
    if (wayOn) throw new Fatal(error.code, wayOn, { cause: error })
    throw error
  }
