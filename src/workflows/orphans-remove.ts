import { z } from 'zod'
import { defineWorkflow } from '../core/define-workflow.js'
import { orphanDestroy } from '../jobs/orphan-destroy.js'
import { orphanUnset } from '../jobs/orphan-unset.js'

const machine = defineWorkflow({
  name: 'orphan.machine',
  summary: 'Removes one machine without an owner.',
  input: orphanDestroy.input,
})
  .step('destroy', orphanDestroy, ({ input }) => ({ key: input.key }))
  .build()

const record = defineWorkflow({
  name: 'orphan.record',
  summary: 'Removes one record set without an owner.',
  input: orphanUnset.input,
})
  .step('unset', orphanUnset, ({ input: { zone, name, type } }) => ({ zone, name, type }))
  .build()

// Dots separate the parts of a step's path.
const undotted = (text: string): string => text.replaceAll('.', '-')

export const orphansRemove = defineWorkflow({
  name: 'orphans.remove',
  summary: 'Removes machines, states and records that belong to no node and no run.',
  input: z.object({ machines: z.array(machine.input), records: z.array(record.input) }),
})
  .each('machines', machine, 'machines', ({ key }) => undotted(key))
  .each('records', record, 'records', ({ name, type }) => `${undotted(name)}-${type.toLowerCase()}`)
  .build()

/** The workflows that `orphans.remove` is made of. */
export const orphanParts = [machine, record] as const
