import { join, resolve } from 'node:path'
import { Fatal } from '../../core/errors.js'
import type { ComputePort } from '../../ports/compute.js'
import { createClient } from './client.js'
import { createCompute } from './compute.js'
import { directMaker } from './direct.js'
import { findBinary, findPlugin } from './discover.js'
import { createInventory } from './inventory.js'
import type { Maker } from './maker.js'
import { packageRoot, sweepLeftovers } from './stacks.js'
import { terraformMaker } from './terraform-maker.js'

export interface HcloudOptions {
  /** Such as `https://api.hetzner.cloud/v1`, without a final slash. */
  endpoint: string
  token: string
  /** Label of this installation's machines: letters, digits, `-`; at most 63. Others are never touched. */
  owner: string
  /** `auto`, `none`, or the binary to use. */
  terraform: string
  /** Base of the state backend that the API serves, such as `http://127.0.0.1:8080/tf-state`. */
  stateUrl: string
  statePassword: string
  /** `none` leaves the provider's plugin aside even where it is installed. Default `auto`. */
  plugin?: 'auto' | 'none'
  /** Holds prepared stacks and, while Terraform runs, its work directory. */
  dataDir: string
}

/** The port, and what it was decided to be: a sentence for people. */
export type HcloudCompute = ComputePort & { describe(): string }

/**
 * Machines at Hetzner Cloud, or at anything that speaks its API. Decides once how they are made: Terraform with the
 * provider's plugin; Terraform without it, by a built-in stack (never for the public API); or direct calls when there
 * is no Terraform. Throws `Fatal` when the choice cannot work, with the way on.
 */
export async function createHcloudCompute(options: HcloudOptions): Promise<HcloudCompute> {
  const client = createClient(options)
  const inventory = createInventory(client, options.owner)
  const direct = directMaker(client, inventory, options.owner)
  const maker = (await terraform(options)) ?? direct
  return { ...createCompute(inventory, maker, direct), describe: () => maker.name }
}

async function terraform(options: HcloudOptions): Promise<Maker | null> {
  if (options.terraform === 'none') return null
  const binary = await findBinary(options.terraform)
  if (!binary) return null
  const plugin = options.plugin === 'none' ? null : await findPlugin(binary)
  if (!plugin && isPublic(options.endpoint)) throw pluginMissing(binary.name)
  await sweepLeftovers(options.dataDir)
  const { endpoint, token, owner, stateUrl: url, statePassword: password } = options
  const dataDir = resolve(options.dataDir)
  const rest = [process.execPath, join(await packageRoot(), 'infra/cdktf/hcloud-rest.mjs')]
  return terraformMaker({ binary, plugin, endpoint, token, owner, dataDir, rest, state: { url, password } })
}

const isPublic = (endpoint: string): boolean => new URL(endpoint).hostname.endsWith('hetzner.cloud')

const pluginMissing = (name: string): Fatal =>
  new Fatal(
    'terraform-plugin-missing',
    `${name} is here, but not its plugin hetznercloud/hcloud: install it as docs/terraform.md says, or set LAZARUS_TERRAFORM=none to call the provider directly`,
  )
