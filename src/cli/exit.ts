/** Exit codes of `lazarus`; `lazarus --help` lists them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, unreachable: 3, refused: 4, interrupted: 130 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/**
 * Ends the command with one line for people, a stable code for programs and an exit code. `shown`: stdout already
 * holds the result, so with `--json` no second document is printed. An empty message says nothing more.
 */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly shown: boolean
  constructor(
    readonly exit: ExitCode,
    readonly code: string,
    message: string,
    options: ErrorOptions & { shown?: boolean } = {},
  ) {
    super(message, options)
    this.shown = options.shown === true
  }
}

/** A mistake in how the command was written. */
export const usage = (message: string): CliError => new CliError(EXIT.usage, 'usage', message)
