import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineVariant } from '../../../infra/cdktf/machine-stack.js'
import { childEnvironment } from '../../config/env.js'
import { codeOf, Fatal, PortError } from '../../core/errors.js'
import type { Binary, Plugin } from './discover.js'
import { runTerraform } from './terraform-run.js'

/** What preparing a stack depends on. */
export interface StackOptions {
  binary: Binary
  plugin: Plugin | null
  /** Below it, `terraform/` holds prepared stacks and work directories, readable for nobody else. */
  dataDir: string
  /** The program of the built-in stack's provisioners, as argv. */
  rest: readonly string[]
}

/** A stack after `init`: the directory with `main.tf.json`, `data/` and, with a plugin, the dependency lock. */
export interface Stacks {
  /**
   * The prepared stack of a variant. `init` runs once for each text of a stack on this disk, not once a machine:
   * the text is the same for all. It wants to see a backend, so it gets the first machine's settings.
   */
  prepared(variant: MachineVariant, backend: Record<string, string>): Promise<string>
}

const INIT_TIMEOUT = 120_000
const LEFT_BEHIND = 3_600_000

/** The settings of every run: no look-ups, nothing asked. */
export const quiet = (extra: Record<string, string>): Record<string, string> =>
  childEnvironment({ CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1', TF_INPUT: '0', ...extra })

export function createStacks(options: StackOptions): Stacks {
  const ready = new Map<MachineVariant, Promise<string>>()
  return {
    prepared: (variant, backend) => {
      const known = ready.get(variant)
      if (known) return known
      const preparing = prepare(options, variant, backend)
      ready.set(variant, preparing)
      preparing.catch(() => ready.delete(variant))
      return preparing
    },
  }
}

async function prepare(
  options: StackOptions,
  variant: MachineVariant,
  backend: Record<string, string>,
): Promise<string> {
  // Loaded when first needed: 110 ms and 22 MB that a control plane without Terraform never spends.
  const { synthesize } = await import('../../../infra/cdktf/synthesize.js')
  const text = synthesize(variant, options.rest)
  const root = join(options.dataDir, 'terraform')
  const home = join(root, `${variant}-${fingerprint(text, options)}`)
  if (await exists(home)) return home
  await mkdir(root, { recursive: true, mode: 0o700 })
  const draft = await mkdtemp(join(root, 'draft-'))
  try {
    await writeFile(join(draft, 'main.tf.json'), text, { mode: 0o600 })
    await init(options, draft, backend)
    await rename(draft, home)
  } catch (error) {
    if (!(await exists(home))) throw error // otherwise another process was faster, with the same result
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return home
}

async function init(
  { binary, plugin }: StackOptions,
  cwd: string,
  backend: Record<string, string>,
): Promise<void> {
  const args = ['init', '-input=false', '-no-color', ...(plugin ? [`-plugin-dir=${plugin.dir}`] : [])]
  const env = quiet({ ...backend, TF_DATA_DIR: join(cwd, 'data') })
  // Not the signal of whoever came first: everybody else waits for this too.
  const signal = AbortSignal.timeout(INIT_TIMEOUT)
  const run = { command: binary.command, args, cwd, env }
  const { code, stderr } = await runTerraform(run, signal, () => undefined)
  if (code === 0) return
  throw new PortError('terraform-init-failed', `${binary.name} init: ${stderr.trim().slice(-500)}`, {
    retryable: true,
  })
}

const fingerprint = (text: string, { binary, plugin }: StackOptions): string =>
  createHash('sha256')
    .update(JSON.stringify([text, binary, plugin]))
    .digest('hex')
    .slice(0, 12)

/** Removes what killed processes left behind: drafts and work directories older than any run may take. */
export async function sweepLeftovers(dataDir: string): Promise<void> {
  const root = join(dataDir, 'terraform')
  for (const parent of [root, join(root, 'work')]) {
    for (const name of (await exists(parent)) ? await readdir(parent) : []) {
      if (!/^(draft|run)-/.test(name)) continue
      const path = join(parent, name)
      const changed = await stat(path).then(({ mtimeMs }) => mtimeMs, missing)
      if (changed !== null && changed < Date.now() - LEFT_BEHIND)
        await rm(path, { recursive: true, force: true })
    }
  }
}

/** A fresh work directory with a copy of a prepared stack. Terraform runs there, one directory a run. */
export async function workDirectory(dataDir: string, home: string): Promise<string> {
  const root = join(dataDir, 'terraform', 'work')
  await mkdir(root, { recursive: true, mode: 0o700 })
  const dir = await mkdtemp(join(root, 'run-'))
  await copyFile(join(home, 'main.tf.json'), join(dir, 'main.tf.json'))
  const lock = '.terraform.lock.hcl'
  if (await exists(join(home, lock))) await copyFile(join(home, lock), join(dir, lock))
  return dir
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(missing)) !== null

/** Null for what does not exist; every other error stands. */
function missing(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null
  throw error
}

/** The directory of our own package, above the compiled code as well as above the sources. */
export async function packageRoot(from = import.meta.dirname): Promise<string> {
  for (let dir = from; dir !== '/'; dir = join(dir, '..')) {
    const text = await readFile(join(dir, 'package.json'), 'utf8').catch(() => '{}')
    if (JSON.parse(text).name === 'lazarus') return dir
  }
  throw new Fatal('incomplete-installation', `no package.json of lazarus above ${from}`)
}
