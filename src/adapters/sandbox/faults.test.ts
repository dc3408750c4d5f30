import { expect, test } from 'vitest'
import { Faults, faultSchema } from './faults.js'

const withFault = (fault: object) => {
  const faults = new Faults()
  faults.add(faultSchema.parse(fault))
  return faults
}

test('an HTTP fault meets the requests it names, as often as it says', () => {
  const faults = withFault({ kind: 'server-error', method: 'POST', path: '/servers', times: 2 })
  expect(faults.takeHttp('GET', '/hcloud/v1/servers')).toEqual([])
  expect(faults.takeHttp('POST', '/hcloud/v1/ssh_keys')).toEqual([])
  expect(faults.takeHttp('POST', '/hcloud/v1/servers')).toHaveLength(1)
  expect(faults.takeHttp('POST', '/hcloud/v1/servers')).toHaveLength(1)
  expect(faults.takeHttp('POST', '/hcloud/v1/servers')).toHaveLength(0)
  expect(faults.all()).toEqual([])
})

test('a request can be late and lost at once', () => {
  const faults = withFault({ kind: 'slow', ms: 5 })
  faults.add(faultSchema.parse({ kind: 'answer-lost' }))
  expect(faults.takeHttp('GET', '/x').map(fault => fault.kind)).toEqual(['slow', 'answer-lost'])
})

test('what is unavailable stays so until cleared, unless a number of times is given', () => {
  const faults = withFault({ kind: 'unavailable', type: 'cx22' })
  expect(faults.takeUnavailable('cx22', 'fsn1')).toBe(true)
  expect(faults.takeUnavailable('cx22', 'hel1')).toBe(true)
  expect(faults.takeUnavailable('cx32', 'fsn1')).toBe(false)
  faults.clear()
  expect(faults.takeUnavailable('cx22', 'fsn1')).toBe(false)
  faults.add(faultSchema.parse({ kind: 'unavailable', location: 'hel1', times: 1 }))
  expect(faults.takeUnavailable('cx22', 'hel1')).toBe(true)
  expect(faults.takeUnavailable('cx22', 'hel1')).toBe(false)
})

test('a machine is found by any of its names, and a fault without a name is for all', () => {
  const faults = withFault({ kind: 'apt-fails', machine: 'edge-1', times: 3 })
  expect(faults.forMachine('apt-fails', ['1004', 'edge-1'])?.times).toBe(3)
  expect(faults.forMachine('apt-fails', ['edge-2'])).toBeUndefined()
  expect(faults.forMachine('sshd-refuses', ['edge-1'])).toBeUndefined()
  faults.add(faultSchema.parse({ kind: 'sshd-refuses' }))
  expect(faults.forMachine('sshd-refuses', ['edge-2'])).toBeDefined()
})
