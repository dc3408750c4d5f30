import { readFileSync } from 'node:fs'

const NAMES = [
  'keepalived/main.conf.eta',
  'keepalived/vip.conf.eta',
  'keepalived/vipctl.sh.eta',
  'keepalived/snat.rules.eta',
  'keepalived/lazarus-lvs.sh',
  'ospf/zebra.conf.eta',
  'ospf/ospfd.conf.eta',
  'ospf/frr.conf.eta',
]

/** The templates of balancers, and our program for them, as this checkout has them. */
export const lvsTemplates = (): Record<string, string> =>
  Object.fromEntries(
    NAMES.map(name => [name, readFileSync(new URL(`../../../templates/${name}`, import.meta.url), 'utf8')]),
  )
