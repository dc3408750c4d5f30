import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { fqdnOf, placeSchema } from '../core/names.js'
import { removeAddresses, setAddresses } from './addresses.js'

export const dnsRemove = defineJob({
  name: 'dns.remove',
  summary: "Takes the node's name out of the DNS.",
  queue: 'dns',
  uses: ['dns', 'nodes'],
  input: placeSchema,
  output: z.object({}),
  key: input => `dns-${fqdnOf(input)}`,
  target: input => input.node,
  retry: { attempts: 8, first: '1s', max: '2m', timeout: '1m' },

  async run({ input, ports, signal }) {
    await removeAddresses(ports.dns, input, signal)
    return {}
  },

  /** A node that stays after all is found again, as long as its machine still stands. */
  async undo({ input, ports, signal }) {
    const node = await ports.nodes.get(input.node)
    if (node?.ipv4 || node?.ipv6)
      await setAddresses(ports.dns, { ...input, ipv4: node.ipv4, ipv6: node.ipv6 }, signal)
  },
})
