import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { fqdnOf, placeSchema } from '../core/names.js'
import { removeAddresses, setAddresses } from './addresses.js'

export const dnsSet = defineJob({
  name: 'dns.set',
  summary: "Points the node's name at its addresses, A and AAAA.",
  queue: 'dns',
  uses: ['dns'],
  input: placeSchema.extend({ ipv4: z.ipv4().nullable(), ipv6: z.ipv6().nullable() }),
  output: z.object({ fqdn: z.string() }),
  key: input => `dns-${fqdnOf(input)}`,
  target: input => input.node,
  retry: { attempts: 8, first: '1s', max: '2m', timeout: '1m' },

  async run({ input, ports, signal }) {
    await setAddresses(ports.dns, input, signal)
    return { fqdn: fqdnOf(input) }
  },

  async undo({ input, ports, signal }) {
    await removeAddresses(ports.dns, input, signal)
  },
})
