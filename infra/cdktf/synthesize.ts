import { App } from 'cdktf'
import { MachineStack, type MachineVariant, type RestCommand } from './machine-stack.js'

/** The text of `main.tf.json` for one variant of the machine's stack. Pure: the same input gives the same text. */
export function synthesize(variant: MachineVariant, rest: RestCommand): string {
  const stack = new MachineStack(new App({ outdir: '.' }), variant, rest)
  stack.prepareStack()
  const { '//': _metadata, ...configuration } = stack.toTerraform()
  return `${JSON.stringify(configuration, null, 2)}\n`
}
