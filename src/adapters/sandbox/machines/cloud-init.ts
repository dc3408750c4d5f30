import { z } from 'zod'

const schema = z.object({
  hostname: z
    .string()
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/)
    .optional(),
  ssh_keys: z.object({ ed25519_private: z.string(), ed25519_public: z.string() }).optional(),
  ssh_authorized_keys: z.array(z.string()).default([]),
  users: z
    .array(
      z.union([
        z.string(),
        z.looseObject({ name: z.string(), ssh_authorized_keys: z.array(z.string()).optional() }),
      ]),
    )
    .default([]),
})

/** What a machine takes from its user data. */
export interface CloudInit {
  hostname: string | null
  hostKey: { private: string; public: string } | null
  authorizedKeys: string[]
}

const NOTHING: CloudInit = { hostname: null, hostKey: null, authorizedKeys: [] }

/**
 * Reads user data of the kind `#cloud-config` in JSON (which is YAML): host name, ed25519 host key, root's keys.
 * Null: it is something else; like the real cloud, the machine then boots without it.
 */
export function readUserData(userData: string | null): CloudInit | null {
  if (userData === null || userData.trim() === '') return NOTHING
  if (!userData.startsWith('#cloud-config\n')) return null
  const parsed = schema.safeParse(parseJson(userData.slice('#cloud-config\n'.length)))
  if (!parsed.success) return null
  const { hostname, ssh_keys: keys, ssh_authorized_keys: direct, users } = parsed.data
  const root = users.flatMap(user =>
    typeof user === 'object' && user.name === 'root' ? (user.ssh_authorized_keys ?? []) : [],
  )
  return {
    hostname: hostname ?? null,
    hostKey: keys ? { private: keys.ed25519_private, public: keys.ed25519_public } : null,
    authorizedKeys: [...direct, ...root].filter(key => !/[\r\n]/.test(key)),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
