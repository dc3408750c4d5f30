import type { Request } from 'express'
import { queryText } from '../http.js'
import { invalidInput } from './errors.js'
import { parseSelector } from './selector.js'

const MAX_PER_PAGE = 50

/** One page of `items` under `name`, with `meta.pagination` as this API has it (pages count from 1). */
export function page<T>(request: Request, name: string, items: readonly T[]): Record<string, unknown> {
  const current = numberParam(request, 'page', 1, Number.MAX_SAFE_INTEGER)
  const perPage = numberParam(request, 'per_page', 25, MAX_PER_PAGE)
  const last = Math.max(1, Math.ceil(items.length / perPage))
  const pagination = {
    page: current,
    per_page: perPage,
    previous_page: current > 1 ? current - 1 : null,
    next_page: current < last ? current + 1 : null,
    last_page: last,
    total_entries: items.length,
  }
  return { [name]: items.slice((current - 1) * perPage, current * perPage), meta: { pagination } }
}

/** Keeps what the query asks for by `name` and `label_selector`. Throws `invalid_input`. */
export function filtered<T extends { name: string; labels?: Record<string, string> }>(
  request: Request,
  rows: readonly T[],
): T[] {
  const name = queryText(request, 'name')
  const selector = queryText(request, 'label_selector')
  const selected = selector ? parseSelector(selector) : () => true
  return rows.filter(row => (name === undefined || row.name === name) && selected(row.labels ?? {}))
}

function numberParam(request: Request, name: string, standard: number, max: number): number {
  const text = queryText(request, name)
  if (text === undefined || text === '') return standard
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw invalidInput(name, 'must be a positive integer')
  return Math.min(value, max)
}
