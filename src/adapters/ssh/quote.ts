import { PortError } from '../../core/errors.js'

const PLAIN = /^[A-Za-z0-9_./:,@%+-]+$/

/**
 * The text that makes a POSIX shell run exactly this argv, whatever is in it. The only place where we write shell.
 * Throws `PortError` (`bad-command`) for an empty argv and for a NUL byte, which no argument can hold.
 */
export function quote(argv: readonly string[]): string {
  if (argv.length === 0 || argv[0] === '') throw bad('a command needs a program')
  if (argv.some(word => word.includes('\0'))) throw bad('an argument cannot hold a NUL byte')
  return argv.map(quoteWord).join(' ')
}

const quoteWord = (word: string) => (PLAIN.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)

const bad = (message: string) => new PortError('bad-command', message, { retryable: false })
