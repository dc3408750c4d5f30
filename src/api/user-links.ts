import { z } from 'zod'
import type { ApiDeps } from './deps.js'

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
