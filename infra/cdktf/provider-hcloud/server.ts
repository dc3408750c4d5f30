import { hashMapper, stringToTerraform, type TerraformMetaArguments, TerraformResource } from 'cdktf'
import type { Construct } from 'constructs'
import { VERSIONS } from './provider.js'

/** The arguments of `hcloud_server` that Lazarus sets. */
export interface ServerConfig extends TerraformMetaArguments {
  readonly name: string
  readonly serverType: string
  readonly location: string
  readonly image: string
  /** cloud-init; the plugin keeps only a hash of it in the state. */
  readonly userData: string
  /** A map, or the reference to one. */
  readonly labels: Record<string, string> | string
}

/** One `hcloud_server`. */
export class Server extends TerraformResource {
  static readonly tfResourceType = 'hcloud_server'

  constructor(
    scope: Construct,
    id: string,
    private readonly config: ServerConfig,
  ) {
    super(scope, id, {
      ...metaArguments(config),
      terraformResourceType: Server.tfResourceType,
      terraformGeneratorMetadata: { providerName: 'hcloud', providerVersionConstraint: VERSIONS },
    })
  }

  /** The provider's number of the server. */
  get id(): string {
    return this.getStringAttribute('id')
  }

  get ipv4Address(): string {
    return this.getStringAttribute('ipv4_address')
  }

  get ipv6Address(): string {
    return this.getStringAttribute('ipv6_address')
  }

  get status(): string {
    return this.getStringAttribute('status')
  }

  protected override synthesizeAttributes(): Record<string, unknown> {
    const { name, serverType, location, image, userData, labels } = this.config
    return {
      name: stringToTerraform(name),
      server_type: stringToTerraform(serverType),
      location: stringToTerraform(location),
      image: stringToTerraform(image),
      user_data: stringToTerraform(userData),
      labels: typeof labels === 'string' ? labels : hashMapper(stringToTerraform)(labels),
    }
  }
}

function metaArguments(config: TerraformMetaArguments): TerraformMetaArguments {
  const { dependsOn, count, provider, lifecycle, forEach, provisioners, connection } = config
  const given = { dependsOn, count, provider, lifecycle, forEach, provisioners, connection }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
