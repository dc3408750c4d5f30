import { z } from 'zod'
import { messageOf } from '../core/errors.js'
import { publish } from '../workflows/requests.js'
import type { ApiDeps } from './deps.js'
import type { Call } from './route.js'

/** What a user's clients need. */
export const linkView = z.object({
  token: z.string(),
  link: z.string().describe('the address that clients import; a browser shows the usage there'),
})

/** The link of a user with this token. */
export const linkOf = (
  { settings }: Pick<ApiDeps, 'settings'>,
  token: string,
): z.output<typeof linkView> => ({
  token,
  link: `${settings.subUrl}/sub/${token}`,
})

/** Publishes the new list to every node that has an agent, if there is one to tell. */
export async function tellNodes({ deps, caller, runId }: Call<unknown, unknown, unknown>): Promise<void> {
  const nodes = await deps.ports.fleet.publishable()
  if (nodes.length === 0) return
  try {
    await deps.engine.start({ ...publish(nodes), actor: caller.name, id: runId })
  } catch (error) {
    // The change itself is stored: refusing now would be untrue. The next change, or an end that comes, publishes it.
    deps.log.error(`a changed user is not published yet: ${messageOf(error)}`)
  }
}
