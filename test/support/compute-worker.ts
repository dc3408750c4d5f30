import { createHcloudCompute, type HcloudOptions } from '../../src/adapters/hcloud/index.js'
import type { MachineSpec } from '../../src/ports/compute.js'

// A process that buys one machine, so that a test can kill it: options and specification come on standard input.
const [options, spec] = JSON.parse((await process.stdin.toArray()).join('')) as [HcloudOptions, MachineSpec]
const compute = await createHcloudCompute(options)
await compute.create(spec, new AbortController().signal, (_part, text) => console.log(text))
