import { type Command, Option } from 'commander'
import { prefersChinese } from '../../config/env.js'
import type { Cli } from '../command.js'
import { createOutput } from '../output.js'

interface DemoOptions {
  lvs?: boolean
  once?: boolean
  json?: boolean
  lang?: 'en' | 'zh'
}

/** `demo`: the whole story on this machine. */
export function addDemo(program: Command, cli: Cli): void {
  program
    .command('demo')
    .description('raise three machines in a sandbox, kill one, watch it come back; nothing is left behind')
    .option('--lvs', 'a cluster of load balancers instead: failover, a bad change taken back, rollback')
    .option('--once', 'end after the summary instead of waiting for Ctrl-C')
    .option('--json', 'print the summary as JSON on stdout; the story goes to stderr')
    .addOption(
      new Option('--lang <language>', 'language of the story (default: as LANG says)').choices(['en', 'zh']),
    )
    .action(async (options: DemoOptions) => {
      const json = options.json === true
      const story = json ? cli.io.stderr : cli.io.stdout
      const common = {
        language: options.lang ?? (prefersChinese() ? 'zh' : 'en'),
        once: options.once === true,
        output: createOutput({ stdout: story, stderr: story }, false),
        report: (summary: object) => createOutput(cli.io, json).result(summary, ''),
        signal: cli.signal,
      }
      if (options.lvs) await (await import('../../main/demo-lvs.js')).runLvsDemo(common)
      else await (await import('../../main/demo.js')).runDemo(common)
    })
}
