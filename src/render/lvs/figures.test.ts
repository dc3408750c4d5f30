import { expect, test } from 'vitest'
import { exampleCluster } from '../../../test/support/lvs/example.js'
import { figuresOf } from './figures.js'
import type { ObservedService } from './observe.js'

const service = (vip: string, port: number, weights: number[]): ObservedService => ({
  ...{ vip, port, protocol: 'tcp', scheduler: 'wrr', connections: 0, inBytes: 0, outBytes: 0 },
  hosts: weights.map((weight, index) => ({
    ...{ address: `10.0.20.${index}`, port, weight, active: 2, inactive: 1, connections: 3 },
  })),
})

test('S4-4: figures of a VIP are those of its weakest service; foreign VIPs have none', () => {
  const figures = figuresOf(exampleCluster(), {
    ...{ current: null, good: null, neighbours: ['60.29.246.185'], addresses: ['60.28.208.1'] },
    services: [
      service('60.28.208.1', 80, [100, 100]),
      service('60.28.208.1', 443, [100, 0]),
      service('198.18.0.9', 80, [100]),
    ],
  })
  expect(figures).toEqual({
    ...{ neighbours: 1, active: 10 },
    vips: [
      { vip: '60.28.208.1', standing: true, hosts: 1, active: 8 },
      { vip: '60.28.208.2', standing: false, hosts: 0, active: 0 },
    ],
  })
})
