import { describe, it } from 'vitest'
import { computeWorld } from '../../../test/support/compute-world.js'
import { tempDir } from '../../../test/support/temp.js'
import { computeConformance } from '../../ports/compute.conformance.js'
import { findBinary, findPlugin } from './discover.js'

const binary = await findBinary('auto')
const plugin = binary && (await findPlugin(binary))

if (binary)
  computeConformance(`${binary.name}, terraform_data`, () => computeWorld('auto', tempDir(), 'none'))
else missing('neither terraform nor tofu is on PATH')

if (plugin)
  computeConformance(`hcloud plugin ${plugin.version}`, () => computeWorld('auto', tempDir(), 'auto'))
else missing('the plugin hetznercloud/hcloud is not installed (docs/terraform.md)')

function missing(why: string): void {
  describe('compute port', () => {
    it.skip(`through terraform: ${why}`)
  })
}
