import { z } from 'zod'
import { hostNameSchema, labelSchema } from './values.js'

const publicKeySchema = z
  .string()
  .regex(/^ssh-ed25519 [A-Za-z0-9+/=]+( [\x21-\x7e]*)?$/, 'an ed25519 public key')

const cloudInitSchema = z.object({
  hostname: z.union([labelSchema, hostNameSchema]),
  hostKeyPrivate: z
    .string()
    .regex(/^-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END OPENSSH PRIVATE KEY-----\n?$/),
  hostKeyPublic: publicKeySchema,
  authorizedKeys: z
    .array(
      z.string().regex(/^(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/=]+( [\x20-\x7e]*)?$/, 'a public key'),
    )
    .min(1),
})

/**
 * The user data of a machine: its host key is the one we pinned, and only our keys may log in. The text is
 * `#cloud-config` and JSON, which is YAML. It holds the private host key: a secret. Throws a `ZodError`.
 */
export function renderCloudInit(machine: z.input<typeof cloudInitSchema>): string {
  const { hostname, hostKeyPrivate, hostKeyPublic, authorizedKeys } = cloudInitSchema.parse(machine)
  const config = {
    hostname,
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: hostKeyPrivate, ed25519_public: hostKeyPublic },
    disable_root: false,
    users: [{ name: 'root', ssh_authorized_keys: authorizedKeys }],
  }
  return `#cloud-config\n${JSON.stringify(config)}\n`
}
