import { usage } from './exit.js'

/** A row of a CSV file by the names in its first line, and the line on which it began. */
export interface CsvRow {
  line: number
  fields: Record<string, string>
}

/**
 * Reads CSV as RFC 4180 has it (commas, quotes doubled inside quotes), whose first line names the columns; fields are
 * trimmed, empty lines left out. Throws `CliError` for a column not in `columns`, a line that is too long, an open quote.
 */
export function readCsv(text: string, columns: readonly string[]): CsvRow[] {
  const [head, ...rows] = records(text.replace(/^\ufeff/, ''))
  const names = head?.cells.map(cell => cell.toLowerCase()) ?? []
  const unknown = names.find(name => !columns.includes(name))
  if (names.length === 0 || unknown !== undefined)
    throw usage(`the first line must name columns out of: ${columns.join(', ')}; not "${unknown ?? ''}"`)
  return rows.map(({ line, cells }) => {
    if (cells.length > names.length) throw usage(`line ${line} has more fields than the first line names`)
    return { line, fields: Object.fromEntries(cells.map((cell, index) => [names[index] ?? '', cell])) }
  })
}

/** A field, quoted or not, with what ends it. */
const FIELD = /[ \t]*(?:"((?:[^"]|"")*)"|([^",\r\n]*))[ \t]*(,|\r?\n|$)/y

function records(text: string): { line: number; cells: string[] }[] {
  const found: { line: number; cells: string[] }[] = []
  let line = 1
  let cells: string[] = []
  for (let at = 0; at < text.length || cells.length > 0; ) {
    FIELD.lastIndex = at
    const [whole, quoted, plain = '', end] = FIELD.exec(text) ?? []
    if (whole === undefined) throw usage(`line ${line} is not CSV: a quote stands alone`)
    cells.push((quoted?.replaceAll('""', '"') ?? plain).trim())
    at += whole.length
    if (end === ',') continue
    if (cells.some(cell => cell !== '')) found.push({ line, cells })
    cells = []
    line += whole.split('\n').length - 1
  }
  return found
}
