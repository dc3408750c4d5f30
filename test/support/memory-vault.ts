import type { Vault } from '../../src/ports/records.js'

/** A vault that forgets everything with the test; `secrets` shows what is in it. */
export function memoryVault(): Vault & { secrets: Map<string, string> } {
  const secrets = new Map<string, string>()
  return {
    secrets,
    get: async name => secrets.get(name) ?? null,
    async getOrCreate(name, make) {
      const made = secrets.get(name) ?? (await make())
      secrets.set(name, secrets.get(name) ?? made)
      return secrets.get(name) ?? made
    },
    async put(name, secret) {
      secrets.set(name, secret)
    },
    async remove(name) {
      secrets.delete(name)
    },
  }
}
