/** What a Python literal can hold, as JSON has it. */
export type Literal = null | boolean | number | string | Literal[] | { [key: string]: Literal }

/** Thrown for text that is no literal; nothing in it is ever evaluated. */
export class LiteralError extends Error {
  override readonly name = 'LiteralError'
}

const DEEPEST = 32

/**
 * Reads a Python literal, as `repr` of version 2 or 3 writes it: lists, tuples, dicts with text keys, text (with `u`
 * in front or not), numbers, True, False, None. JSON of the same is read as well. Throws `LiteralError` with the place.
 */
export function parseLiteral(text: string): Literal {
  const reader = { text, at: 0 }
  const value = readValue(reader, 0)
  skipSpace(reader)
  if (reader.at < text.length) throw wrong(reader, 'more than one value')
  return value
}

/** Writes a value as `repr` of Python does: the same value gives the same text. */
export function printLiteral(value: Literal): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return quote(value)
  if (Array.isArray(value)) return `[${value.map(printLiteral).join(', ')}]`
  return `{${Object.entries(value)
    .map(([key, each]) => `${quote(key)}: ${printLiteral(each)}`)
    .join(', ')}}`
}

interface Reader {
  text: string
  at: number
}

const wrong = ({ text, at }: Reader, what: string): LiteralError =>
  new LiteralError(`${what} at character ${at + 1}: ${JSON.stringify(text.slice(at, at + 20))}`)

function skipSpace(reader: Reader): void {
  while (/\s/.test(reader.text[reader.at] ?? '')) reader.at += 1
}

function take(reader: Reader, pattern: RegExp): string | null {
  pattern.lastIndex = reader.at
  const [found] = pattern.exec(reader.text) ?? []
  if (found === undefined) return null
  reader.at += found.length
  return found
}

const WORDS: Readonly<Record<string, Literal>> = {
  None: null,
  null: null,
  True: true,
  true: true,
  False: false,
  false: false,
}

function readValue(reader: Reader, depth: number): Literal {
  if (depth > DEEPEST) throw wrong(reader, 'nested too deeply')
  skipSpace(reader)
  const open = reader.text[reader.at]
  if (open === '[') return readItems(reader, ']', depth)
  if (open === '(') return readItems(reader, ')', depth)
  if (open === '{') return readDict(reader, depth)
  const quoted = take(reader, /[uUbB]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")/y)
  if (quoted !== null) return unquote(quoted)
  const number = take(reader, /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?L?/y)
  if (number !== null) return Number(number.replace('L', ''))
  const word = take(reader, /[A-Za-z]+/y)
  if (word !== null && Object.hasOwn(WORDS, word)) return WORDS[word] ?? null
  throw wrong(reader, 'no value')
}

function readItems(reader: Reader, close: string, depth: number): Literal[] {
  const items: Literal[] = []
  reader.at += 1
  while (!ends(reader, close)) {
    items.push(readValue(reader, depth + 1))
    separate(reader, close)
  }
  return items
}

function readDict(reader: Reader, depth: number): Literal {
  const entries: [string, Literal][] = []
  reader.at += 1
  while (!ends(reader, '}')) {
    const key = readValue(reader, depth + 1)
    if (typeof key !== 'string') throw wrong(reader, 'a key that is not text')
    skipSpace(reader)
    if (take(reader, /:/y) === null) throw wrong(reader, 'no colon')
    entries.push([key, readValue(reader, depth + 1)])
    separate(reader, '}')
  }
  return Object.fromEntries(entries)
}

function ends(reader: Reader, close: string): boolean {
  skipSpace(reader)
  if (reader.text[reader.at] !== close) return false
  reader.at += 1
  return true
}

/** A comma, or the end to come. */
function separate(reader: Reader, close: string): void {
  skipSpace(reader)
  if (take(reader, /,/y) === null && reader.text[reader.at] !== close)
    throw wrong(reader, `no comma and no ${close}`)
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }

function unquote(quoted: string): string {
  const body = quoted.replace(/^[uUbB]/, '').slice(1, -1)
  return body.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/gs, (_all, byte, unit, one) =>
    one === undefined ? String.fromCharCode(Number.parseInt(byte ?? unit, 16)) : (ESCAPES[one] ?? one),
  )
}

function quote(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'"
  const body = text.replace(
    /[\\\n\r\t]/g,
    one => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[one] ?? one,
  )
  return `${mark}${body.replaceAll(mark, `\\${mark}`)}${mark}`
}
