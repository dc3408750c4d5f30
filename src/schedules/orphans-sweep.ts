import { defineSchedule } from '../core/define-schedule.js'
import { findOrphans, type Orphans } from '../workflows/orphans.js'

export const orphansSweep = defineSchedule({
  name: 'orphans.sweep',
  summary: 'Lists machines, records and states that belong to nobody, with their cost; removes nothing.',
  every: '1h',
  uses: ['compute', 'dns', 'fleet', 'notices'],

  async run({ ports, signal, log }) {
    const orphans = await findOrphans(ports, signal)
    for (const machine of orphans.machines) {
      const price = `${machine.monthlyPrice.toFixed(2)} ${machine.currency}`
      const text = `${machine.name} (${machine.key}) belongs to nobody and costs ${price} a month: lazarus orphans --yes removes it`
      if (
        await ports.notices.tell({
          once: `orphan:${machine.key}`,
          kind: 'orphan',
          subject: machine.key,
          text,
        })
      )
        log(text)
    }
    return orphans satisfies Orphans
  },
})
