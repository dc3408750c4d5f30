import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { synthesize } from './synthesize.js'

const REST = ['/usr/bin/node', '/opt/lazarus/hcloud-rest.mjs']
/** Terraform's own way to name a value. */
const ref = (name: string) => `$\{${name}}`
const read = (variant: Parameters<typeof synthesize>[0]) => JSON.parse(synthesize(variant, REST))

describe('S0-6: machine stack', () => {
  it('is the same text every time, so that one init serves every machine', () => {
    expect(synthesize('plugin', REST)).toBe(synthesize('plugin', REST))
  })

  it('leaves every setting of the backend to the environment', () => {
    for (const variant of ['plugin', 'plugin-import', 'builtin'] as const)
      expect(read(variant).terraform.backend).toEqual({ http: {} })
  })

  it('makes one server with the plugin and never changes it afterwards', () => {
    const { terraform, provider, resource, import: imported } = read('plugin')
    expect(terraform.required_providers.hcloud).toEqual({
      source: 'hetznercloud/hcloud',
      version: '>= 1.48.0, < 2.0.0',
    })
    expect(provider).toEqual({ hcloud: [{}] })
    expect(resource.hcloud_server.machine).toMatchObject({
      name: ref('var.name'),
      server_type: ref('var.server_type'),
      location: ref('var.location'),
      image: ref('var.image'),
      user_data: ref('var.user_data'),
      labels: ref('var.labels'),
      lifecycle: { ignore_changes: 'all' },
    })
    expect(imported).toBeUndefined()
  })

  it('wants the plugin that the installation fetches', () => {
    const text = readFileSync(new URL('plugin/main.tf.json', import.meta.url), 'utf8')
    const { required_providers } = read('plugin').terraform
    expect(JSON.parse(text)).toEqual({ terraform: { required_providers } })
  })

  it('marks the user data as sensitive', () => {
    expect(read('plugin').variable.user_data).toMatchObject({ sensitive: true })
  })

  it('takes over a server that exists', () => {
    expect(read('plugin-import').import).toEqual([{ id: ref('var.server_id'), to: 'hcloud_server.machine' }])
  })

  it('runs the program on creation and on removal, and keeps the user data out of the text', () => {
    const { resource, terraform, variable } = read('builtin')
    expect(terraform.required_providers).toBeUndefined()
    expect(variable).not.toHaveProperty('user_data')
    const [create, remove] = resource.terraform_data.machine.provisioner
    expect(create['local-exec']).toMatchObject({ interpreter: REST, command: 'create' })
    expect(remove['local-exec']).toEqual({
      when: 'destroy',
      interpreter: REST,
      command: 'delete',
      environment: { LAZARUS_KEY: ref('self.input.key') },
    })
  })
})
