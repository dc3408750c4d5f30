import { z } from 'zod'
import { codeOf } from '../../core/errors.js'
import type { Client } from './client.js'
import { refusal } from './errors.js'
import type { Inventory } from './inventory.js'
import { labelsOf, type Maker } from './maker.js'
import { pause } from './pause.js'
import { type Action, actionSchema } from './schema.js'

const answered = z.object({ action: actionSchema })
const created = answered.extend({ server: z.object({ id: z.number().int() }) })

/** Makes machines by calling the provider itself: for places without Terraform. Keeps no state. */
export function directMaker(client: Client, inventory: Inventory, owner: string): Maker {
  async function outcome(action: Action, signal: AbortSignal): Promise<Action> {
    let latest = action
    for (let ms = 100; latest.status === 'running'; ms = Math.min(ms * 2, 1000)) {
      await pause(ms, signal)
      latest = (await client.get(`/actions/${action.id}`, answered, signal)).action
    }
    return latest
  }

  async function remove(id: string | number, signal: AbortSignal): Promise<void> {
    const answer = await client.delete(`/servers/${id}`, answered, signal).catch(error => {
      if (codeOf(error) !== 'not_found') throw error
      return null // somebody was faster
    })
    if (answer) check(await outcome(answer.action, signal))
  }

  return {
    name: 'direct calls, without terraform',
    make: async (order, signal, progress) => {
      const { name, type, location, image, userData } = order
      const body = {
        name,
        server_type: type,
        location,
        image,
        user_data: userData,
        labels: labelsOf(owner, order),
      }
      const { server, action } = await client.post('/servers', body, created, signal)
      progress(0.5, `server ${server.id} ordered`)
      const latest = await outcome(action, signal)
      // It never came up: leave nothing behind.
      if (latest.status === 'error') await remove(server.id, signal)
      check(latest)
    },
    adopt: async () => undefined,
    unmake: async (key, signal) => {
      const standing = await inventory.look(key, signal)
      if (standing) await remove(standing.machine.id, signal)
    },
    forget: async () => undefined,
  }
}

function check({ error }: Action): void {
  if (error) throw refusal(error.code, error.message)
}
