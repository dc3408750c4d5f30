import type { Writable } from 'node:stream'

/** Where a command writes: results to `stdout`, everything else to `stderr`. */
export interface Io {
  stdout: Terminal & { columns?: number }
  stderr: Terminal
}

type Terminal = Writable & {
  isTTY?: boolean
  /** Of a terminal; false where NO_COLOR is set. */
  hasColors?: () => boolean
}

const COLOURS = { red: 31, green: 32, yellow: 33, magenta: 35 } as const

/** A line of text, or one with its colour; where colours cannot be shown, it is the text alone. */
export type Line = string | { text: string; colour: keyof typeof COLOURS }

/** How a command answers: `--json` prints values, otherwise people get text. */
export interface Output {
  readonly json: boolean
  readonly io: Io
  /** The result: one JSON document, or the text. */
  result(value: unknown, text: string | readonly Line[]): void
  /** A line for people about what is going on; silent with `--json`. */
  say(line: Line): void
}

/** Text from elsewhere without the control characters that could drive a terminal. */
export const plain = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being removed
  text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, ' ')

/** Makes the {@link Output} of one command. */
export function createOutput(io: Io, json: boolean): Output {
  return {
    json,
    io,
    result: (value, text) => {
      const lines = typeof text === 'string' ? [text] : text
      const shown = json ? JSON.stringify(value) : lines.map(line => painted(line, io.stdout)).join('\n')
      if (shown !== '') io.stdout.write(`${shown}\n`)
    },
    say: line => {
      if (!json) io.stderr.write(`${painted(line, io.stderr)}\n`)
    },
  }
}

function painted(line: Line, terminal: Terminal): string {
  if (typeof line === 'string') return plain(line)
  const text = plain(line.text)
  return terminal.hasColors?.() ? `\u001b[${COLOURS[line.colour]}m${text}\u001b[39m` : text
}

/** Rows as aligned columns under a heading; `nothing` when there are none. */
export function table(rows: readonly Record<string, unknown>[], nothing: string): string {
  const [first] = rows
  if (!first) return nothing
  const columns = Object.keys(first)
  const cells = rows.map(row => columns.map(column => cell(row[column])))
  const lines = [columns.map(column => column.toUpperCase()), ...cells]
  const widths = columns.map((_, index) => Math.max(...lines.map(line => width(line[index] ?? ''))))
  return lines
    .map(line =>
      line
        .map((text, index) => pad(text, widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Columns that `text` takes in a terminal: East Asian wide characters take two. */
export const width = (text: string): number =>
  [...text].reduce(
    (sum, character) =>
      sum +
      (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(
        character,
      )
        ? 2
        : 1),
    0,
  )

/** `text`, filled up with spaces to so many columns. */
export const pad = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - width(text)))

function cell(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(',')
  return plain(String(value)).replaceAll('\n', ' ')
}

/** `2026-05-01T12:00:00Z` as people read it, in UTC and to the second. */
export const when = (iso: string | null | undefined): string =>
  iso ? iso.replace('T', ' ').replace(/\.\d+Z$/, 'Z') : '-'
