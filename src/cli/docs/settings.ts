import { CLIENT_SETTINGS, SETTINGS } from '../../config/env.js'
import { markdownTable } from './markdown.js'

type Table = typeof SETTINGS & Partial<typeof CLIENT_SETTINGS>
type AnySetting = {
  schema: { safeParse(value: undefined): unknown; def: unknown }
  help: string
  secret?: boolean
}

const entries = (table: object): [string, AnySetting][] =>
  Object.entries(table as Table) as [string, AnySetting][]

/** Settings of the command line that the server does not read as well. */
const clientOnly = (): [string, AnySetting][] =>
  entries(CLIENT_SETTINGS).filter(([name]) => !(name in SETTINGS))

/** The value that counts when nothing is set, as it would be written; empty when there is none. */
function defaultOf(setting: AnySetting): string {
  let schema = setting.schema.def as Definition
  // `.transform()` and `.pipe()` come after the default, so it lies inside.
  while (schema.type === 'pipe' && schema.in) schema = schema.in.def
  return schema.type === 'default' ? String(schema.defaultValue) : ''
}
interface Definition {
  type: string
  in?: { def: Definition }
  defaultValue?: unknown
}

const rows = (list: [string, AnySetting][]): string[][] =>
  list.map(([name, setting]) => {
    const value = defaultOf(setting)
    return [`\`${name}\``, setting.help, value ? `\`${value}\`` : '', setting.secret ? 'yes' : '']
  })

/** The page about every setting. */
export function settingsPage(): string {
  const head = ['setting', 'what it is for', 'default', 'secret']
  return [
    '# Settings',
    '',
    'Every setting may also be given as `<NAME>_FILE`: a file that holds the value, the way container platforms hand over secrets.',
    '',
    markdownTable(head, rows(entries(SETTINGS))),
    '',
    '## Of the command line',
    '',
    markdownTable(head, rows(clientOnly())),
    '',
  ].join('\n')
}

/** `.env.example`: every setting, commented out, with its default. */
export function envExample(): string {
  const blocks = entries(SETTINGS).map(
    ([name, setting]) =>
      `# ${setting.help}${setting.secret ? ' (Secret.)' : ''}\n#${name}=${defaultOf(setting)}\n`,
  )
  return `# Settings of Lazarus. Copy to .env, take away the # and set what you need:\n# docker compose and the systemd unit read that file.\n\n${blocks.join('\n')}`
}
