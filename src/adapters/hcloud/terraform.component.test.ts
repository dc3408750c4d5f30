import { computeWorld } from '../../../test/support/compute-world.js'
import { tempDir } from '../../../test/support/temp.js'
import { computeConformance } from '../../ports/compute.conformance.js'

computeConformance('terraform_data', () => computeWorld('auto', tempDir()))
