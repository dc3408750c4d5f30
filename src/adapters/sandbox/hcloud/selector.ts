import { z } from 'zod'
import { HcloudError } from './errors.js'

type Labels = Readonly<Record<string, string>>
type Test = (labels: Labels) => boolean

const PART = '[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?'
const KEY = `(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?${PART}`

/** Labels of a resource, with the API's limits on keys and values. */
export const labelsSchema = z.record(
  z.string().regex(new RegExp(`^${KEY}$`), 'label key is not allowed'),
  z.string().regex(new RegExp(`^(?:${PART})?$`), 'label value is not allowed'),
)

const bad = (text: string) =>
  new HcloudError(422, 'invalid_input', `label_selector is not understood near '${text}'`, {
    fields: [{ name: 'label_selector', messages: ['cannot be parsed'] }],
  })

/** Reads a label selector such as `a=b,!c,d in (e,f)`. Throws `invalid_input` when it is none. */
export function parseSelector(selector: string): Test {
  const tests = splitTerms(selector).map(parseTerm)
  return labels => tests.every(test => test(labels))
}

// Commas inside parentheses belong to a set.
const splitTerms = (selector: string): string[] => selector.split(/,(?![^(]*\))/).map(term => term.trim())

function parseTerm(term: string): Test {
  const set = new RegExp(`^(${KEY})\\s+(in|notin)\\s+\\(([^()]*)\\)$`).exec(term)
  if (set) {
    const [, key = '', operator, list = ''] = set
    const values = list.split(',').map(value => value.trim())
    const within = (labels: Labels) => values.includes(labels[key] ?? '') && key in labels
    return operator === 'in' ? within : labels => !within(labels)
  }
  const pair = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*((?:${PART})?)$`).exec(term)
  if (pair) {
    const [, key = '', operator, value = ''] = pair
    return operator === '!=' ? labels => labels[key] !== value : labels => labels[key] === value
  }
  const presence = new RegExp(`^(!?)\\s*(${KEY})$`).exec(term)
  if (!presence) throw bad(term)
  const [, not, key = ''] = presence
  return labels => key in labels !== (not === '!')
}
