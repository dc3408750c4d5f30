import { createHash } from 'node:crypto'
import { bytes } from '../../core/bytes.js'
import type { Usage } from './headers.js'
import { type PageLanguage, pageTexts } from './page-texts.js'
import { qrSvg } from './qr.js'

/** Whether a user may pass: switched off, past the end, traffic used up, or none of these. */
export type Standing = 'ok' | 'off' | 'ended' | 'over'

export interface Page {
  language: PageLanguage
  /** The user's name, which is free text. */
  title: string
  /** The address of this page, which clients import. */
  link: string
  standing: Standing
  usage: Usage
  /** How many edges there are. */
  nodes: number
}

const STYLE = `:root{color-scheme:light dark;--line:#8884;--good:#2e9d5b;--bad:#d0473c}
body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.3rem;overflow-wrap:anywhere}h2{font-size:1.05rem;margin:0}section{border-top:1px solid var(--line);padding:1rem 0}
.state{color:var(--good);font-weight:600}.state.bad{color:var(--bad)}
progress{width:100%;height:.7rem;accent-color:var(--good)}progress.bad{accent-color:var(--bad)}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem;margin:0}dt{opacity:.7}dd{margin:0}
.copy{display:flex;gap:.5rem;margin:.4rem 0}input{flex:1;min-width:0;font:.85rem monospace;padding:.4rem}
button{font:inherit;padding:.3rem .8rem;cursor:pointer}svg{display:block;width:14rem;max-width:100%;margin:1rem auto}
summary{cursor:pointer}`

const SCRIPT = `for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', async () => {
    const input = button.previousElementSibling
    input.select()
    try { await navigator.clipboard.writeText(input.value) } catch { document.execCommand('copy') }
    button.textContent = button.dataset.done
  })
}`

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The page's `Content-Security-Policy`: nothing from anywhere but what stands in it. */
export const PAGE_POLICY = `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** What a browser gets: the user's standing, usage and link, in one piece of HTML. */
export function renderPage(page: Page): string {
  const { language, title, link, standing, usage, nodes } = page
  const say = pageTexts(language)
  const bad = standing === 'ok' ? '' : ' bad'
  const end =
    usage.expiresAt === null
      ? say.noEnd
      : `${usage.expiresAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  const facts = [
    [say.used, traffic(usage, language)],
    [say.until, end],
    [say.nodes, String(nodes)],
  ].map(([name = '', value = '']) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`)
  const formats = ['v2rayn', 'clash', 'singbox'].map(format => copyable(`${link}?format=${format}`, language))
  return `<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>${text(say.title)}</title><style>${STYLE}</style></head><body>
<h1>${text(title)}</h1><p class="state${bad}">${text(say[standing])}</p>
<section>${bar(usage, bad)}<dl>${facts.join('')}</dl></section>
<section><h2>${text(say.link)}</h2><p>${text(say.linkHelp)}</p>${copyable(link, language)}${qrSvg(link)}
<details><summary>${text(say.formats)}</summary>${formats.join('')}</details></section>
<script>${SCRIPT}</script></body></html>
`
}

function bar({ up, down, limit }: Usage, bad: string): string {
  if (limit === null) return ''
  return `<progress class="${bad.trim()}" max="${limit}" value="${Math.min(limit, up + down)}"></progress>`
}

function traffic({ up, down, limit }: Usage, language: PageLanguage): string {
  const say = pageTexts(language)
  const most = limit === null ? say.noLimit : bytes(limit)
  return `${bytes(up + down)} ${say.of} ${most} (${say.up} ${bytes(up)}, ${say.down} ${bytes(down)})`
}

function copyable(link: string, language: PageLanguage): string {
  const { copy, copied } = pageTexts(language)
  return `<div class="copy"><input readonly value="${text(link)}"><button data-done="${text(copied)}">${text(copy)}</button></div>`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const text = (raw: string): string => raw.replaceAll(/[&<>"']/g, character => ENTITIES[character] ?? '')
