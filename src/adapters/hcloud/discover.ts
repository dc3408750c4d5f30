import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { childEnvironment } from '../../config/env.js'
import { codeOf, Fatal } from '../../core/errors.js'

/** A terraform or tofu that runs here. */
export interface Binary {
  command: string
  name: 'terraform' | 'tofu'
  version: string
}

/** The provider's plugin on this disk: `dir` is the mirror that holds it. */
export interface Plugin {
  dir: string
  version: string
}

const run = promisify(execFile)
/** The first version whose import blocks take variables. */
const OLDEST = '1.6.0'

/**
 * The binary to use: `auto` looks for terraform, then tofu, on PATH and gives null when there is none; any other
 * `setting` is a binary that must be there (`Fatal` when it is not).
 */
export async function findBinary(setting: string): Promise<Binary | null> {
  if (setting !== 'auto') {
    const binary = await probe(setting.includes('/') ? resolve(setting) : setting)
    if (binary) return binary
    throw new Fatal('terraform-missing', `LAZARUS_TERRAFORM names "${setting}", and there is no such program`)
  }
  return (await probe('terraform')) ?? (await probe('tofu'))
}

async function probe(command: string): Promise<Binary | null> {
  const env = childEnvironment({ CHECKPOINT_DISABLE: '1' })
  const answer = await run(command, ['version'], { env, timeout: 20_000 }).catch(error => {
    if (codeOf(error) === 'ENOENT') return null
    throw new Fatal('terraform-broken', `"${command} version" failed`, { cause: error })
  })
  if (!answer) return null
  const [, name, version] = /^(Terraform|OpenTofu) v(\d+\.\d+\.[\w.-]+)/m.exec(answer.stdout) ?? []
  if (!version) throw new Fatal('terraform-broken', `"${command} version" answers as no terraform does`)
  if (compare(version, OLDEST) < 0)
    throw new Fatal('terraform-too-old', `${command} ${version} is too old: ${OLDEST} or newer is needed`)
  return { command, name: name === 'OpenTofu' ? 'tofu' : 'terraform', version }
}

/** Looks for the plugin `hetznercloud/hcloud` where the binary itself would look, without any network. */
export async function findPlugin(binary: Binary): Promise<Plugin | null> {
  const registry = binary.name === 'tofu' ? 'registry.opentofu.org' : 'registry.terraform.io'
  for (const dir of await mirrors(binary)) {
    const version = newest(await versionsIn(join(dir, registry, 'hetznercloud/hcloud')))
    if (version) return { dir, version }
  }
  return null
}

/** The mirrors named in the command line configuration, then the ones that need no configuration. */
async function mirrors({ name }: Binary): Promise<string[]> {
  const { HOME = '/', TF_CLI_CONFIG_FILE, TF_PLUGIN_CACHE_DIR } = childEnvironment()
  const file = TF_CLI_CONFIG_FILE ?? join(HOME, name === 'tofu' ? '.tofurc' : '.terraformrc')
  const configuration = await missingIs('', readFile(file, 'utf8'))
  const configured = configuration.matchAll(/filesystem_mirror\s*\{[^}]*?\bpath\s*=\s*"([^"]+)"/g)
  const shared = name === 'tofu' ? 'opentofu' : 'terraform'
  return [
    ...[...configured].map(([, path]) => path ?? ''),
    join(HOME, '.terraform.d/plugins'),
    join(HOME, '.local/share', shared, 'plugins'),
    join('/usr/local/share', shared, 'plugins'),
    join('/usr/share', shared, 'plugins'),
    ...(TF_PLUGIN_CACHE_DIR ? [TF_PLUGIN_CACHE_DIR] : []),
  ]
}

/** Both layouts of a mirror: `<version>/<os>_<arch>/` and `terraform-provider-hcloud_<version>_<os>_<arch>.zip`. */
async function versionsIn(dir: string): Promise<string[]> {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  const system = `${process.platform}_${arch}`
  const entries = await missingIs([], readdir(dir))
  const found = entries.map(async entry => {
    const packed = /^terraform-provider-hcloud_(\d[\w.-]*?)_(\w+)\.zip$/.exec(entry)
    if (packed) return packed[2] === system ? (packed[1] ?? []) : []
    return (await missingIs([], readdir(join(dir, entry)))).includes(system) ? entry : []
  })
  return (await Promise.all(found)).flat()
}

const compare = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true })
const newest = (versions: string[]): string | undefined => versions.sort(compare).at(-1)

/** What a read gives, or `otherwise` when there is no such file or directory. */
async function missingIs<T>(otherwise: T, read: Promise<T>): Promise<T> {
  return read.catch(error => {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error))) return otherwise
    throw error
  })
}
