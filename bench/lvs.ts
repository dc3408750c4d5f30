// Load balancer clusters: rendering, comparing and judging 10 clusters of 200 VIPs, 4 ports and 20 hosts each, how the
// cost grows with each of these numbers, and one changed VIP that is brought to 20 balancers.
import { createHash } from 'node:crypto'
import { Eta } from 'eta'
import { diffJson } from '../src/core/json-diff.js'
import type { Cluster } from '../src/render/lvs/cluster-schema.js'
import { clusterSchema } from '../src/render/lvs/cluster-schema.js'
import { diffClusters } from '../src/render/lvs/diff.js'
import { renderRevision } from '../src/render/lvs/revision.js'
import { violationsOf } from '../src/render/lvs/rules.js'
import { lvsTemplates } from '../test/support/lvs/templates.js'
import { changed, hostsOf, makeClusters, type Size } from './lvs-fleet.js'
import { compare, report } from './measure.js'

const SIZE: Size = { clusters: 10, balancers: 4, vips: 200, ports: 4, hosts: 20 }
const ROUNDS = 5
const TIMES = 4

const ingredients = { templates: lvsTemplates(), ospfKey: 'example-key', keyMark: 'example-mark' }

/** Milliseconds of processor time that something takes: other work on the machine disturbs it less than the clock. */
function timed(work: () => unknown): number {
  const begin = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(begin)
  return (user + system) / 1_000
}

const render = (clusters: readonly Cluster[], hosts: Map<string, string>) =>
  clusters.map(cluster => renderRevision(cluster, { ...ingredients, hosts }).id)

/** Every cluster beside itself with one port led elsewhere. */
const diff = (clusters: readonly Cluster[], hosts: Map<string, string>) =>
  clusters.map(cluster => diffClusters({ cluster, hosts }, { cluster: changed(cluster), hosts }))

/** What a write of the first cluster looks at: its own hosts, and all other clusters. */
function rulesOf([first, ...others]: readonly Cluster[], hosts: Map<string, string>): () => unknown {
  if (!first) throw new Error('no cluster')
  const names = first.vip2ws.flatMap(vip => vip.wss)
  const resolved = new Map(names.map(name => [name, hosts.get(name) ?? null]))
  return () => violationsOf(first, { others, resolved })
}

/**
 * The least that rendering can cost: the same template engine writes the same lines, which stand ready in lists, and
 * the same digests are made.
 */
function barePrinter(clusters: readonly Cluster[], hosts: Map<string, string>): () => string[] {
  const eta = new Eta({ autoEscape: false, autoTrim: false, useWith: false })
  const template = eta.compile('<% for (const line of it.lines) { -%>\n<%= line %>\n\n<% } -%>')
  const texts = clusters.flatMap(cluster => {
    const { files } = renderRevision(cluster, { ...ingredients, hosts })
    const [first = {}] = Object.values(files)
    return Object.values(first).map(text => text.split('\n'))
  })
  return () => texts.map(lines => createHash('sha256').update(eta.render(template, { lines })).digest('hex'))
}

const clusters = makeClusters(SIZE)
const hosts = hostsOf(clusters)
const printed = barePrinter(clusters, hosts)
const judge = rulesOf(clusters, hosts)
const times = await compare(
  {
    render: async () => timed(() => render(clusters, hosts)),
    printing: async () => timed(printed),
    diff: async () => timed(() => diff(clusters, hosts)),
    generic: async () =>
      timed(() => clusters.map(cluster => diffJson({ cluster }, { cluster: changed(cluster) }))),
    rules: async () => timed(judge),
    schema: async () => timed(() => clusters.map(cluster => clusterSchema.parse(cluster))),
  },
  ROUNDS,
)
const time = (name: string): number => times[name] ?? Number.NaN

report({
  name: 'lvs-render',
  measured: { 'ms for 10 clusters': time('render'), 'ms of bare printing': time('printing') },
  compares: 'rendering to printing the same lines with the same template engine, and the digests',
  ratio: time('render') / time('printing'),
  aim: { most: 2 },
})
report({
  name: 'lvs-diff',
  measured: { 'ms for 10 clusters': time('diff'), 'ms of a difference of JSON': time('generic') },
  compares: 'a difference with labels to one of the same documents as JSON',
  ratio: time('diff') / time('generic'),
  aim: { most: 1 },
})
report({
  name: 'lvs-rules',
  measured: { 'ms for 1 beside 9': time('rules'), 'ms of the schema of 10': time('schema') },
  compares: 'all rules of one cluster beside the others to parsing all of them',
  ratio: time('rules') / time('schema'),
  aim: { most: 2 },
})

/** How much longer everything takes with four times as much of one kind; 4 is linear. */
async function growth(dimension: keyof Size): Promise<number> {
  const base: Size = { clusters: 3, balancers: 4, vips: 100, ports: 4, hosts: 10 }
  const all = (size: Size) => {
    const made = makeClusters(size)
    const known = hostsOf(made)
    const judged = rulesOf(made, known)
    return async () => timed(() => [render(made, known), diff(made, known), judged()])
  }
  const { small = 1, large = 1 } = await compare(
    { small: all(base), large: all({ ...base, [dimension]: base[dimension] * TIMES }) },
    ROUNDS,
  )
  return large / small
}

const DIMENSIONS = ['clusters', 'balancers', 'vips', 'ports', 'hosts'] as const
const grown: Record<string, number> = {}
for (const dimension of DIMENSIONS) grown[`times for 4 times the ${dimension}`] = await growth(dimension)
report({
  name: 'lvs-growth',
  measured: grown,
  compares: 'the worst of these to 4, which is linear',
  ratio: Math.max(...Object.values(grown)) / TIMES,
  aim: { most: 1.3 },
})
