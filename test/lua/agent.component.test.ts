import { createHash } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { until } from '../support/wait.js'
import { type ControlPlane, startControlPlane } from './control-plane.js'
import { type RunningEdge, startEdge } from './edge.js'

const GOOD = 'lzr_good-token_0123456789'
const hash = (token: string) => createHash('sha256').update(token).digest('hex')
const seconds = () => Math.floor(Date.now() / 1000)

let plane: ControlPlane
let edge: RunningEdge

afterEach(async () => {
  await edge?.stop()
  await plane?.close()
})

async function begin(access: unknown = { [hash(GOOD)]: 0 }) {
  plane = await startControlPlane()
  plane.publish('v1', access)
  edge = await startEdge({ apiBase: plane.url })
}

const acked = (version: string) =>
  until(() => plane.callsTo('ack').find(call => call.body.version === version)?.body, {
    what: `ack of ${version}`,
  })
const opens = (path = `/?token=${GOOD}`) =>
  until(async () => (await edge.get(path)) === 200, { what: 'the gate to open' })

test('enrols, registers, beats, pulls and acknowledges, in this order', async () => {
  await begin()
  expect(await acked('v1')).toEqual({ version: 'v1', status: 'applied' })
  expect(plane.steps().slice(0, 5)).toEqual(['enrol', 'register', 'heartbeat', 'config', 'ack'])
  expect(plane.callsTo('enrol')[0]).toMatchObject({
    key: null,
    body: { node: 'edge-1', token: 'enrolment-token-0001' },
  })
  expect(plane.callsTo('register')[0]?.body).toEqual({ node: 'edge-1', version: '1' })
  await opens()
})
