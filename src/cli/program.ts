import { Command, CommanderError } from 'commander'
import { SettingsError } from '../config/env.js'
import { codeOf, messageOf } from '../core/errors.js'
import type { Cli } from './command.js'
import { addAccess } from './commands/access.js'
import { addChecks } from './commands/check.js'
import { addDemo } from './commands/demo.js'
import { addLocal } from './commands/local.js'
import { addLvs } from './commands/lvs.js'
import { addNodes } from './commands/nodes.js'
import { addOrphans } from './commands/orphans.js'
import { addPlans } from './commands/plans.js'
import { addPools } from './commands/pools.js'
import { addRuns } from './commands/runs.js'
import { addServers } from './commands/servers.js'
import { addServices } from './commands/services.js'
import { addStats } from './commands/stats.js'
import { addUsers } from './commands/users.js'
import { CliError, EXIT, type ExitCode } from './exit.js'
import { plain } from './output.js'

const EPILOGUE = `
Examples:
  lazarus up --sandbox                 everything on this machine, with a cloud of its own
  lazarus pools create edge            a pool; in the sandbox everything else has a default
  lazarus scale-out edge 3 --wait      raise three machines and watch
  lazarus nodes                        what is up
  lazarus runs watch <run> --json      follow a run as JSON lines
  lazarus retry <run>                  take a failed run up again

The API is found by --url, LAZARUS_URL, or what "lazarus up" left in the data directory; the token by --token,
LAZARUS_TOKEN or LAZARUS_TOKEN_FILE, or there.

Exit codes:
  0  done
  1  the operation or the run failed
  2  the command was written wrongly
  3  the API cannot be reached
  4  the API refused (not found, not allowed, conflict, bad value)
  130  stopped by Ctrl-C`

/** Builds the whole command line. Errors are thrown, never exits. */
export function createProgram(cli: Cli): Command {
  const program = new Command('lazarus')
    .description('Raises a fleet of edge machines, keeps it configured, and replaces what dies.')
    .addHelpText('after', EPILOGUE)
    .showSuggestionAfterError()
  addDemo(program, cli)
  addLocal(program, cli)
  addChecks(program, cli)
  addPools(program, cli)
  addNodes(program, cli)
  addRuns(program, cli)
  addUsers(program, cli)
  addPlans(program, cli)
  addStats(program, cli)
  addAccess(program, cli)
  addServices(program, cli)
  addServers(program, cli)
  addLvs(program, cli)
  addOrphans(program, cli)
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: text => cli.io.stdout.write(text),
      writeErr: text => cli.io.stderr.write(text),
    })
  }
  return program
}

const withSubcommands = (command: Command): Command[] => [
  command,
  ...command.commands.flatMap(withSubcommands),
]

/** Runs one command line (without `node` and script) and returns its exit code. */
export async function runCli(argv: readonly string[], cli: Cli): Promise<ExitCode> {
  try {
    await createProgram(cli).parseAsync(argv, { from: 'user' })
    return EXIT.ok
  } catch (error) {
    return report(error, argv.includes('--json'), cli)
  }
}

/** Says in one line what went wrong; with `--json`, as a document on stdout too. */
function report(error: unknown, json: boolean, cli: Cli): ExitCode {
  if (error instanceof CommanderError) return misuse(error, json, cli)
  if (cli.signal.aborted) return EXIT.interrupted
  const [exit, code] = classify(error)
  const message = plain(messageOf(error))
  const shown = error instanceof CliError && error.shown
  if (json && !shown) cli.io.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`)
  if (message !== '') cli.io.stderr.write(`lazarus: ${message}\n`)
  return exit
}

/** Commander has already written its own message, or the help. */
function misuse(error: CommanderError, json: boolean, cli: Cli): ExitCode {
  if (error.exitCode === 0) return EXIT.ok
  if (json) cli.io.stdout.write(`${JSON.stringify({ error: { code: 'usage', message: error.message } })}\n`)
  return EXIT.usage
}

function classify(error: unknown): [ExitCode, string] {
  if (error instanceof CliError) return [error.exit, error.code]
  if (error instanceof SettingsError) return [EXIT.usage, error.code]
  return [EXIT.failed, codeOf(error)]
}
