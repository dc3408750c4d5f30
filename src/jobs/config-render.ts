import { z } from 'zod'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import { nodeName } from '../core/names.js'
import { renderServerConf } from '../render/nginx.js'
import { renderRevision } from '../render/revision.js'

/** A snapshot that is being rolled out. */
const wanted = z.object({ service: z.string(), snapshot: z.int().min(1) })

/** The key keeps two renders of one node apart, so that the one stored last also read last. */
export const configRender = defineJob({
  name: 'config.render',
  summary: 'Renders what the node should follow now, and stores it under the hash of its content.',
  queue: 'nodes',
  uses: ['configs', 'nodes', 'services', 'settings'],
  input: z.object({ node: nodeName, wanted: wanted.optional() }),
  /** Null: the node was removed meanwhile. */
  output: z.object({ version: z.string().nullable() }),
  key: input => `render-${input.node}`,
  target: input => input.node,
  retry: { attempts: 5, first: '1s', max: '30s', timeout: '1m' },

  async run({ input, ports }) {
    const { services, configs, nodes, settings } = ports
    if (input.wanted) await requireNewest(input.wanted, services.newest)
    const node = await nodes.get(input.node)
    const found = node && (await services.rulesFor(input.node, input.wanted ?? null))
    if (!found) return { version: null }
    const { service, snapshot, rules } = found
    const template = settings.edgeSources.templates['nginx/server.conf.eta']
    const serverConf = template === undefined ? null : renderServerConf(template, { fqdn: node.fqdn })
    const content = renderRevision({ service, rules, serverConf })
    return { version: await configs.store(input.node, content, { service, snapshot }) }
  },

  // A revision that no node is told to have changes nothing; old ones are dropped by themselves.
  undo: 'nothing-to-undo',
})

type Wanted = z.output<typeof wanted>

/** A rollout that another one has overtaken must not take nodes back. */
async function requireNewest(
  { service, snapshot }: Wanted,
  newestOf: (service: string) => Promise<number | null>,
): Promise<void> {
  const newest = await newestOf(service)
  if (newest === snapshot) return
  throw new Fatal(
    'rollout-superseded',
    `version ${newest} of ${service} was published after version ${snapshot}: its own run goes on`,
  )
}
