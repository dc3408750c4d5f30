import {
  type App,
  DataResource,
  Fn,
  HttpBackend,
  TerraformSelf,
  TerraformStack,
  TerraformVariable,
} from 'cdktf'
import { provider, server } from './provider-hcloud/index.js'

/**
 * How the machine of a stack is made: by the provider's plugin, by the plugin taking over a server that exists
 * (`plugin-import`), or by the built-in `terraform_data` whose provisioners call the API (`builtin`).
 */
export type MachineVariant = 'plugin' | 'plugin-import' | 'builtin'

/** The program that the provisioners of the variant `builtin` run, as argv; the verb is added at the end. */
export type RestCommand = readonly string[]

/** The `http` backend with nothing set: Terraform then takes address, locks and password from `TF_HTTP_...`. */
class BackendFromEnvironment extends HttpBackend {
  protected override synthesizeAttributes(): Record<string, never> {
    return {}
  }
}

/**
 * One machine, with its state behind Terraform's `http` backend. Everything that differs between machines is a
 * Terraform variable and reaches Terraform as `TF_VAR_...`; address and password of the backend as `TF_HTTP_...`.
 * So the configuration is the same for every machine, is synthesised and initialised once, and holds no secret.
 */
export class MachineStack extends TerraformStack {
  constructor(app: App, variant: MachineVariant, rest: RestCommand) {
    super(app, 'machine')
    new BackendFromEnvironment(this, { address: '' })
    this.addOverride('terraform.required_version', '>= 1.6.0')
    if (variant === 'builtin') this.provisioned(rest)
    else this.plugged(variant === 'plugin-import')
  }

  private plugged(imported: boolean): void {
    new provider.HcloudProvider(this, 'hcloud')
    const machine = new server.Server(this, 'machine', {
      ...this.common(),
      labels: this.variable('labels', 'map(string)'),
      userData: this.variable('user_data', 'string', { sensitive: true, default: '' }),
      // What runs is never changed or replaced by a plan: Lazarus replaces machines, Terraform makes and removes them.
      lifecycle: { ignoreChanges: 'all' },
    })
    if (imported) machine.importFrom(this.variable('server_id', 'string'))
  }

  private provisioned(rest: RestCommand): void {
    const { name, serverType, location, image } = this.common()
    const labels = this.variable('labels', 'map(string)')
    const interpreter = [...rest]
    // The user data stays out of the configuration: the program reads it from the environment that it inherits.
    const wanted = Fn.jsonencode({ name, server_type: serverType, location, image, labels })
    new DataResource(this, 'machine', {
      input: { key: this.variable('key', 'string') },
      provisioners: [
        {
          type: 'local-exec',
          interpreter,
          command: 'create',
          environment: { LAZARUS_KEY: TerraformSelf.getString('input.key'), LAZARUS_SERVER: wanted },
        },
        {
          type: 'local-exec',
          when: 'destroy',
          interpreter,
          command: 'delete',
          environment: { LAZARUS_KEY: TerraformSelf.getString('input.key') },
        },
      ],
    })
  }

  private common() {
    return {
      name: this.variable('name', 'string'),
      serverType: this.variable('server_type', 'string'),
      location: this.variable('location', 'string'),
      image: this.variable('image', 'string'),
    }
  }

  private variable(name: string, type: string, more: { sensitive?: boolean; default?: string } = {}): string {
    return new TerraformVariable(this, name, { type, ...more }).stringValue
  }
}
