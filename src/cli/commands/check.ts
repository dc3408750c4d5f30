import type { Command } from 'commander'
import { prefersChinese, readSettings } from '../../config/env.js'
import type { Cli } from '../command.js'
import type { Finding } from '../doctor/finding.js'
import { CliError, EXIT } from '../exit.js'
import { doctorMessages } from '../messages.js'
import { createOutput, width } from '../output.js'

/** `doctor` and `docs`: commands that look at this machine or this checkout. */
export function addChecks(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description('say what is here, what is missing and how to get it')
    .option('--sandbox', 'judge by what "lazarus up --sandbox" needs, not by what a real cloud needs')
    .option('--json', 'print JSON and nothing else')
    .action(async (options: { sandbox?: boolean; json?: boolean }) => {
      // Loaded only when asked for, like all that takes time to load.
      const { examine, isReady } = await import('../doctor/doctor.js')
      const output = createOutput(cli.io, options.json === true)
      const purpose = options.sandbox ? 'sandbox' : 'cloud'
      const findings = await examine(purpose, { settings: () => readSettings(), client: cli.settings() })
      const ready = isReady(findings)
      output.result({ ready, findings }, findings.map(line).join('\n'))
      const messages = doctorMessages(prefersChinese() ? 'zh' : 'en')
      output.say(`\n${ready ? messages.ready : messages.notReady}`)
      if (!ready) throw new CliError(EXIT.failed, 'not-ready', '', { shown: true })
    })
  addDocs(program, cli)
}

const MARK = { ok: '✔', warn: '!', missing: '✘' } as const

function line({ name, status, detail, fix }: Finding): string {
  const head = `${MARK[status]} ${name}${' '.repeat(Math.max(1, 18 - width(name)))}${detail.replaceAll('\n', ' ')}`
  return status === 'ok' || !fix ? head : `${head}\n${' '.repeat(20)}→ ${fix}`
}

function addDocs(program: Command, cli: Cli): void {
  program
    .command('docs')
    .description('write docs/generated and .env.example anew')
    .option('--check', 'write nothing; fail when one of them is stale')
    .option('--json', 'print JSON and nothing else')
    .action(async (options: { check?: boolean; json?: boolean }) => {
      const output = createOutput(cli.io, options.json === true)
      const { packageRoot } = await import('../../adapters/hcloud/stacks.js')
      const { staleFiles, writeFiles } = await import('../docs/generate.js')
      const root = await packageRoot()
      const files = options.check ? staleFiles(root) : writeFiles(root)
      if (options.check && files.length > 0)
        throw new CliError(
          EXIT.failed,
          'stale',
          `stale: ${files.join(', ')}. Run "make docs" and commit them`,
        )
      output.result(
        { files },
        files.length > 0 ? `written: ${files.join(', ')}` : 'all generated files are current',
      )
    })
}
