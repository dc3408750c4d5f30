import { expect, test } from 'vitest'
import { ADMIN, startApi } from '../../test/support/api.js'
import { lazarus } from '../../test/support/cli.js'

const { deps, url } = await startApi()
const past = new Date(Date.now() - 60_000)
const users = {
  ann: {},
  bob: { enabled: false, expiresAt: past },
  cy: { expiresAt: past, over: true },
  di: { over: true },
}
for (const [name, more] of Object.entries(users))
  await deps.db.user.create({ data: { id: `u-${name}`, name, tokenHash: name, ...more } })

const listed = async (...argv: string[]) =>
  (await lazarus(['users', ...argv], { LAZARUS_URL: url, LAZARUS_TOKEN: ADMIN })).stdout

test('users are listed with what keeps them out', async () => {
  const all = await listed()
  for (const [name, state] of Object.entries({ ann: 'on', bob: 'off', cy: 'ended', di: 'over' }))
    expect(all).toMatch(new RegExp(`u-${name} +${name} +(- +)?${state} `))
  const ended = await listed('list', '--state', 'ended')
  expect([/u-cy/.test(ended), /u-ann|u-di/.test(ended)]).toEqual([true, false])
})
