import { z } from 'zod'
import type { Ports } from '../ports/index.js'
import type { SshKeyPair } from '../ports/ssh.js'

const pairSchema = z.object({ privateKey: z.string(), publicKey: z.string() })

/** Where a machine's host key lies in the vault. */
export const hostKeyName = (machineKey: string): string => `ssh/host-key/${machineKey}`

/** The SSH host key of a machine: made once, the same ever after, so that a repeated purchase keeps its pin. */
export async function hostKeyOf(
  { ssh, vault }: Pick<Ports, 'ssh' | 'vault'>,
  machineKey: string,
): Promise<SshKeyPair> {
  const make = async () => JSON.stringify(ssh.newHostKey())
  return pairSchema.parse(JSON.parse(await vault.getOrCreate(hostKeyName(machineKey), make)))
}
