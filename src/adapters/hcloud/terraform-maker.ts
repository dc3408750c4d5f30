import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MachineVariant } from '../../../infra/cdktf/machine-stack.js'
import type { Progress } from '../../ports/compute.js'
import { labelsOf, type Maker, type Order } from './maker.js'
import { createStacks, quiet, type StackOptions, workDirectory } from './stacks.js'
import { backendEnvironment, readKnown, removeState, type StateBackend, untilFree } from './state.js'
import { failureOf, progressOf, readEvent, type TerraformEvent } from './terraform-events.js'
import { runTerraform } from './terraform-run.js'

export interface TerraformMakerOptions extends StackOptions {
  state: StateBackend
  /** The API that the plugin or the provisioners talk to. */
  endpoint: string
  token: string
  /** Label of this installation's machines. */
  owner: string
}

const COMMON = ['-json', '-input=false', '-auto-approve', '-no-color', '-lock-timeout=40s']

/** Makes machines by applying one stack each; the state is behind the API, so any worker can go on with it. */
export function terraformMaker(options: TerraformMakerOptions): Maker {
  const { binary, plugin, state } = options
  const stacks = createStacks(options)
  const usual: MachineVariant = plugin ? 'plugin' : 'builtin'
  const secrets = {
    HCLOUD_ENDPOINT: options.endpoint,
    HCLOUD_TOKEN: options.token,
    LAZARUS_OWNER: options.owner,
  }

  async function apply(
    verb: 'apply' | 'destroy',
    variant: MachineVariant,
    key: string,
    variables: Record<string, string>,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<void> {
    const backend = backendEnvironment(state, key)
    const home = await stacks.prepared(variant, backend)
    const cwd = await workDirectory(options.dataDir, home)
    const env = quiet({ ...secrets, ...backend, ...variables, TF_DATA_DIR: join(home, 'data') })
    const events: TerraformEvent[] = []
    try {
      const run = { command: binary.command, args: [verb, ...COMMON], cwd, env }
      const { code, stderr } = await runTerraform(run, signal, line => {
        const event = readEvent(line)
        if (!event) return
        events.push(event)
        const step = progressOf(event)
        if (step) progress(step.part, step.text)
      })
      if (code !== 0) throw failureOf(events, stderr)
    } finally {
      await rm(cwd, { recursive: true, force: true })
    }
  }

  return {
    name: `${binary.name} ${binary.version} with ${
      plugin
        ? `the plugin hetznercloud/hcloud ${plugin.version}`
        : 'its built-in terraform_data (without the plugin hetznercloud/hcloud)'
    }`,
    make: (order, signal, progress) =>
      apply('apply', usual, order.key, variablesOf(options.owner, order), signal, progress),
    adopt: async (machine, order, signal, progress) => {
      const known = await readKnown(state, order.key, signal)
      if (known && !known.tainted && (!plugin || known.id === machine.id)) return
      await removeState(state, order.key, signal)
      const variant = plugin ? 'plugin-import' : 'builtin'
      const variables = { ...variablesOf(options.owner, order), TF_VAR_server_id: machine.id }
      await apply('apply', variant, order.key, variables, signal, progress)
    },
    unmake: async (key, signal, progress) => {
      // A Terraform that outlived its worker may still make, or write down, what is to be gone.
      await untilFree(state, key, signal)
      if (await readKnown(state, key, signal))
        await apply('destroy', usual, key, variablesOf(options.owner, unknownOrder(key)), signal, progress)
    },
    forget: (key, signal) => removeState(state, key, signal),
  }
}

/** What differs between machines, as Terraform variables in the environment. */
const variablesOf = (owner: string, order: Order): Record<string, string> => ({
  TF_VAR_key: order.key,
  TF_VAR_name: order.name,
  TF_VAR_server_type: order.type,
  TF_VAR_location: order.location,
  TF_VAR_image: order.image,
  TF_VAR_labels: JSON.stringify(labelsOf(owner, order)),
  TF_VAR_user_data: order.userData,
})

/** Terraform wants a value for every variable even when it only removes. */
const unknownOrder = (key: string): Order => ({
  key,
  name: 'unknown',
  pool: 'unknown',
  type: 'unknown',
  location: 'unknown',
  image: 'unknown',
  userData: '',
})
