import { Eta, type TemplateFunction } from 'eta'
import { Fatal } from '../../core/errors.js'

/** The texts of `templates/`, by path inside it. */
export type LvsTemplates = Readonly<Record<string, string>>

const eta = new Eta({ autoEscape: false, autoTrim: false, useWith: false })
/** By text: a cluster fills one template for each VIP, and compiling costs more than filling. */
const compiled = new Map<string, TemplateFunction>()

/** Fills a template. Throws `Fatal` (`missing-source`) when it was not loaded. */
export function fill(templates: LvsTemplates, name: string, data: object): string {
  const text = templates[name]
  if (text === undefined) throw new Fatal('missing-source', `templates/${name} was not loaded`)
  const template = compiled.get(text) ?? eta.compile(text)
  compiled.set(text, template)
  return eta.render(template, data)
}
