import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { tempDir } from '../../../test/support/temp.js'
import { type Binary, findBinary, findPlugin } from './discover.js'

const system = `${process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`
const terraform: Binary = { command: 'terraform', name: 'terraform', version: '1.11.4' }
const tofu: Binary = { command: 'tofu', name: 'tofu', version: '1.9.0' }

afterEach(() => {
  vi.unstubAllEnvs()
})

/** A home of its own, with nothing configured. */
function home(): string {
  const dir = tempDir()
  vi.stubEnv('HOME', dir)
  vi.stubEnv('TF_CLI_CONFIG_FILE', '')
  vi.stubEnv('TF_PLUGIN_CACHE_DIR', '')
  return dir
}

/** A program that answers `version` like this, alone on PATH. */
function program(name: string, answer: string): void {
  const dir = tempDir()
  writeFileSync(join(dir, name), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 })
  vi.stubEnv('PATH', `${dir}:/bin`)
}

describe('findBinary', () => {
  it('takes terraform, then tofu, and says what it is', async () => {
    program('terraform', 'Terraform v1.11.4')
    expect(await findBinary('auto')).toEqual(terraform)
    program('tofu', 'OpenTofu v1.9.0')
    expect(await findBinary('auto')).toEqual(tofu)
    vi.stubEnv('PATH', tempDir())
    expect(await findBinary('auto')).toBeNull()
  })

  it('insists on a binary that was named', async () => {
    await expect(findBinary('/no/such/terraform')).rejects.toMatchObject({ code: 'terraform-missing' })
  })

  it('refuses one that is too old, and a program that is none', async () => {
    program('terraform', 'Terraform v1.5.7')
    await expect(findBinary('auto')).rejects.toMatchObject({ code: 'terraform-too-old' })
    program('terraform', 'hello')
    await expect(findBinary('auto')).rejects.toMatchObject({ code: 'terraform-broken' })
  })
})

describe('findPlugin', () => {
  const place = (mirror: string, registry: string, entry: string) => {
    const dir = join(mirror, registry, 'hetznercloud/hcloud')
    mkdirSync(join(dir, entry), { recursive: true })
  }

  it('finds nothing without any network', async () => {
    home()
    expect(await findPlugin(terraform)).toBeNull()
  })

  it('finds the newest version for this machine in the usual place', async () => {
    const dir = join(home(), '.terraform.d/plugins')
    place(dir, 'registry.terraform.io', `1.9.0/${system}`)
    place(dir, 'registry.terraform.io', `1.52.0/${system}`)
    place(dir, 'registry.terraform.io', '1.60.0/plan9_mips')
    expect(await findPlugin(terraform)).toEqual({ dir, version: '1.52.0' })
    expect(await findPlugin(tofu)).toBeNull()
  })

  it('finds packed plugins in a configured mirror', async () => {
    const mirror = tempDir()
    const file = join(home(), '.tofurc')
    writeFileSync(file, `provider_installation {\n  filesystem_mirror {\n    path = "${mirror}"\n  }\n}\n`)
    place(mirror, 'registry.opentofu.org', `terraform-provider-hcloud_1.52.0_${system}.zip`)
    place(mirror, 'registry.opentofu.org', 'terraform-provider-hcloud_1.53.0_plan9_mips.zip')
    expect(await findPlugin(tofu)).toEqual({ dir: mirror, version: '1.52.0' })
  })
})
