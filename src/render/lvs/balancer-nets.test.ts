import { expect, test } from 'vitest'
import { exampleCluster, exampleWith } from '../../../test/support/lvs/example.js'
import { balancerNetsOf } from './balancer-nets.js'

test('S4-5: hosts believe the networks of local addresses, and nothing beside those that are named', () => {
  expect(balancerNetsOf([exampleCluster(), exampleCluster()])).toEqual(['10.0.19.224/27'])
  const named = exampleWith({ lb: { localips: ['10.0.19.227-254', '10.0.7.9'] } })
  expect(balancerNetsOf([named])).toEqual([
    '10.0.19.227/32',
    '10.0.19.228/30',
    '10.0.19.232/29',
    '10.0.19.240/29',
    '10.0.19.248/30',
    '10.0.19.252/31',
    '10.0.19.254/32',
    '10.0.7.9/32',
  ])
})
