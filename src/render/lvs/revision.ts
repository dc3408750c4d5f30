import { createHash } from 'node:crypto'
import { type Cluster, dialectOf, kindOf, type Lb, portsOf } from './cluster-schema.js'
import { renderMain, renderVip, renderVipctl } from './keepalived.js'
import { renderRouting } from './ospf.js'
import { localRangesOf, rangeTexts } from './ranges.js'
import { fill, type LvsTemplates } from './templates.js'

/** What a revision is made of, besides the cluster. */
export interface Ingredients {
  templates: LvsTemplates
  /** The one address of every host that a VIP names. */
  hosts: ReadonlyMap<string, string>
  /** A secret: it is in the files of the routing daemon and nowhere else. */
  ospfKey: string
  /**
   * Stands for the key in all digests, and must not tell it: digests are public, and a key that somebody chose could
   * be guessed by them.
   */
  keyMark: string
}

/** A key for those who may see the files, but not the key. With the mark of the true one, the revision is the same. */
export const REDACTED_KEY = 'redacted-key'

/** The files of each balancer, by its host name, then by path inside a revision: `keepalived/60.28.208.1.conf`. */
export interface Revision {
  /** SHA-256 (hex) of all files, the key's mark in place of the key: the same ingredients give the same revision. */
  id: string
  files: Readonly<Record<string, Readonly<Record<string, string>>>>
}

/**
 * Renders a cluster that keeps every rule. The first line of a file names the revision of that file alone, so that a
 * change of one VIP is a change of one file. Throws for a host without an address.
 */
export function renderRevision(cluster: Cluster, ingredients: Ingredients): Revision {
  const vipFiles = vipFilesOf(cluster, ingredients)
  const rendered = cluster.lbinfos
    .map(lb => ({
      lb: lb.hostname,
      files: {
        ...vipFiles(dialectOf(lb)),
        ...markAll(cluster, ownFilesOf(cluster, lb, ingredients), ingredients),
      },
    }))
    .map(({ lb, files }) => ({ lb, files: Object.entries(files).sort(byKey) }))
  const digests = rendered
    .map(({ lb, files }) => [lb, files.map(([path, { digest }]) => [path, digest])] as const)
    .toSorted(byKey)
  return {
    id: sha256(JSON.stringify(digests)),
    files: Object.fromEntries(
      rendered.map(({ lb, files }) => [
        lb,
        Object.fromEntries(files.map(([path, { text }]) => [path, text])),
      ]),
    ),
  }
}

/** A file with its first line, and the SHA-256 of what stands below that, the key's mark in place of the key. */
interface Marked {
  text: string
  digest: string
}

function mark(path: string, text: string, cluster: Cluster, { ospfKey, keyMark }: Ingredients): Marked {
  const digest = sha256(path.startsWith(ROUTING) ? text.replaceAll(ospfKey, keyMark) : text)
  const head = `${headOf(path)} Lazarus, cluster ${cluster.name}, revision ${digest}; changes are overwritten\n`
  return { text: head + text, digest }
}

const markAll = (
  cluster: Cluster,
  files: Record<string, string>,
  ingredients: Ingredients,
): Record<string, Marked> =>
  Object.fromEntries(
    Object.entries(files).map(([path, text]) => [path, mark(path, text, cluster, ingredients)]),
  )

/** Where the files of the routing daemon lie in a revision. */
const ROUTING = 'routing/'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** How a first line begins, so that the program that reads the file passes over it. */
const headOf = (path: string): string =>
  path.endsWith('vipctl') ? '#!/bin/sh\n#' : path.endsWith('.rules') ? '#' : '!'

/** The files of the VIPs, by dialect: the same on every balancer that speaks it, and so made once. */
function vipFilesOf(cluster: Cluster, ingredients: Ingredients) {
  const made = new Map<string, Record<string, Marked>>()
  const make = (dialect: ReturnType<typeof dialectOf>) =>
    Object.fromEntries(
      cluster.vip2ws.map(vip => {
        const path = `keepalived/${vip.vip}.conf`
        const addresses = vip.wss.map(ws => addressOf(ingredients.hosts, ws))
        // Each is digested as soon as it is made: a text that is still in pieces takes much memory.
        return [
          path,
          mark(path, renderVip(ingredients.templates, dialect, vip, addresses), cluster, ingredients),
        ]
      }),
    )
  return (dialect: ReturnType<typeof dialectOf>): Record<string, Marked> => {
    const files = made.get(dialect) ?? make(dialect)
    made.set(dialect, files)
    return files
  }
}

/** What a balancer has for itself. */
function ownFilesOf(cluster: Cluster, lb: Lb, { templates, ospfKey }: Ingredients): Record<string, string> {
  const files: Record<string, string> = { 'keepalived/keepalived.conf': renderMain(templates, cluster, lb) }
  const vipctl = renderVipctl(templates, cluster, lb)
  if (vipctl !== null) files['sbin/vipctl'] = vipctl
  const snat = renderSnat(templates, cluster, lb)
  if (snat !== null) files['snat.rules'] = snat
  for (const [name, text] of Object.entries(renderRouting(templates, cluster, lb, ospfKey)))
    files[ROUTING + name] = text
  return files
}

/** With stock keepalived, NAT and a source of our own do what FULLNAT does; null where that is not needed. */
function renderSnat(templates: LvsTemplates, cluster: Cluster, lb: Lb): string | null {
  if (dialectOf(lb) !== 'keepalived') return null
  const services = cluster.vip2ws
    .filter(vip => kindOf(vip) === 'NAT')
    .flatMap(vip => portsOf(vip).map(({ sport, protocol }) => ({ vip: vip.vip, sport, protocol })))
  const [source] = localRangesOf(lb).flatMap(rangeTexts)
  if (services.length === 0 || source === undefined) return null
  return fill(templates, 'keepalived/snat.rules.eta', { services, source: spelledOut(source) })
}

/** `10.0.0.3-9` as iptables reads it: `10.0.0.3-10.0.0.9`. */
function spelledOut(range: string): string {
  const [first = '', last] = range.split('-')
  return last === undefined ? first : `${first}-${first.slice(0, first.lastIndexOf('.') + 1)}${last}`
}

function addressOf(hosts: ReadonlyMap<string, string>, name: string): string {
  const address = hosts.get(name)
  if (address === undefined) throw new Error(`no address for host ${name}`)
  return address
}

const byKey = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1)
