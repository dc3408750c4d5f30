import { renderClash } from './clash.js'
import { renderBase64, renderLinks } from './links.js'
import { renderSingbox } from './singbox.js'
import type { Subscription } from './subscription.js'

interface Format {
  render: (subscription: Subscription) => string
  type: string
  /** What a file of it is called, after the dot. */
  extension: string
  /** The User-Agents of clients that want it. */
  clients?: RegExp
}

const base64 = { render: renderBase64, type: 'text/plain; charset=utf-8', extension: 'txt' }

/** Every format of a subscription but the page for people, in the order in which User-Agents are tried. */
export const FORMATS = {
  clash: {
    render: renderClash,
    type: 'text/yaml; charset=utf-8',
    extension: 'yaml',
    clients: /clash|mihomo|stash/i,
  },
  singbox: {
    render: renderSingbox,
    type: 'application/json; charset=utf-8',
    extension: 'json',
    clients: /sing-?box|^SF[AIMT]\//i,
  },
  shadowrocket: { ...base64, clients: /shadowrocket/i },
  v2rayn: base64,
  links: { ...base64, render: renderLinks },
} as const satisfies Record<string, Format>

export type FormatName = keyof typeof FORMATS

/** The format that a client of this User-Agent wants; most take base64 of links. */
export function formatFor(userAgent: string): FormatName {
  const named = Object.entries<Format>(FORMATS).find(([, format]) => format.clients?.test(userAgent))
  return (named?.[0] as FormatName | undefined) ?? 'v2rayn'
}
