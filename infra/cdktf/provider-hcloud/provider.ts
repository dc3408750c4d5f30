import { TerraformProvider } from 'cdktf'
import type { Construct } from 'constructs'

/** Where the plugin comes from and which versions of it these bindings fit. */
export const SOURCE = 'hetznercloud/hcloud'
export const VERSIONS = '>= 1.48.0, < 2.0.0'

/**
 * The provider `hcloud`. It has no arguments here: token and endpoint reach the plugin as `HCLOUD_TOKEN` and
 * `HCLOUD_ENDPOINT`, so that no secret is ever part of a configuration.
 */
export class HcloudProvider extends TerraformProvider {
  static readonly tfResourceType = 'hcloud'

  constructor(scope: Construct, id: string) {
    super(scope, id, {
      terraformResourceType: HcloudProvider.tfResourceType,
      terraformGeneratorMetadata: { providerName: 'hcloud', providerVersionConstraint: VERSIONS },
      terraformProviderSource: SOURCE,
    })
  }
}
