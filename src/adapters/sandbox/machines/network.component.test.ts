import { expect, test } from 'vitest'
import { tempDir } from '../../../../test/support/temp.js'
import { claimSubnet, ownerOf, releaseSubnet } from './network.js'

test('a subnet is given back by its owner alone', async () => {
  const [ours, others] = [tempDir(), tempDir()]
  const subnet = await claimSubnet(ours, null)
  try {
    await releaseSubnet(subnet, others)
    expect(await ownerOf(subnet.bridge)).toBe(ours)
  } finally {
    await releaseSubnet(subnet, ours)
  }
  expect(await ownerOf(subnet.bridge)).not.toBe(ours)
})
