import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import type { z } from 'zod'
import { CliError, EXIT, usage } from './exit.js'

/** What a file holds; `-` is standard input. Throws `CliError` when it cannot be read. */
export async function readText(file: string): Promise<string> {
  if (file === '-') return readAll(process.stdin)
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw usage(`cannot read ${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}

/** The JSON in a file. Throws `CliError` (`bad-file`) for anything else, or another shape. */
export async function readJson<T extends z.ZodType>(file: string, schema: T): Promise<z.output<T>> {
  const text = await readText(file)
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new CliError(EXIT.usage, 'bad-file', `${file} is not a JSON object`, { cause })
  }
}
