import { PortError } from '../../src/core/errors.js'
import type { CertificateOrder } from '../../src/ports/certificates.js'
import type { Clock } from '../../src/ports/clock.js'
import type { Machine, MachineSpec, Offer } from '../../src/ports/compute.js'
import type { RecordSet, RecordSetKey } from '../../src/ports/dns.js'
import type { ExecResult, RemoteFile, SshHost } from '../../src/ports/ssh.js'

export const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA=='
const PRIVATE_KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'
const DAY = 86_400_000

/** Machines in a map by key; creating adopts, destroying what is gone succeeds. */
export function fakeCompute() {
  const machines = new Map<string, Machine>()
  const specs: MachineSpec[] = []
  const offered: Offer[] = [{ type: 'cx22', location: 'fsn1', monthlyPrice: 4.5, currency: 'EUR' }]
  let made = 0
  return {
    machines,
    specs,
    offered,
    find: async (key: string) => machines.get(key) ?? null,
    async create(spec: MachineSpec) {
      specs.push(spec)
      const known = machines.get(spec.key)
      if (known) return known
      made += 1
      const { type, location } = spec.offers[0] ?? { type: 'none', location: 'none' }
      const machine = {
        ...{ id: String(made), key: spec.key, name: spec.name, type, location },
        ...{
          ipv4: `198.18.0.${made}`,
          ipv6: `fd00::${made}`,
          monthlyPrice: 4.5,
          currency: 'EUR',
          createdAt: '',
        },
      }
      machines.set(spec.key, machine)
      return machine
    },
    destroy: async (key: string) => void machines.delete(key),
    list: async () => [...machines.values()],
    offers: async () => offered,
  }
}

/** Record sets in a map by `<name> <type>`. */
export function fakeDns() {
  const records = new Map<string, readonly string[]>()
  return {
    records,
    set: async ({ name, type, values }: RecordSet) => void records.set(`${name} ${type}`, values),
    remove: async ({ name, type }: RecordSetKey) => void records.delete(`${name} ${type}`),
    list: async (zone: string): Promise<RecordSet[]> =>
      [...records].map(([key, values]) => {
        const [name = '', type = 'A'] = key.split(' ')
        return { zone, name, type: type as RecordSet['type'], values }
      }),
  }
}

/** An issuer whose certificates are the text `chain of <csr>` and live for 90 days. */
export function fakeCertificates(clock: Clock) {
  const orders: CertificateOrder[] = []
  return {
    orders,
    signingRequest: async (names: readonly string[]) => `request for ${names.join(' ')}`,
    async issue(order: CertificateOrder) {
      orders.push(order)
      if (order.orderUrl === null) await order.onOrder(`order/${orders.length}`)
      const now = clock.now().getTime()
      return {
        chain: `chain of ${order.csr}`,
        notBefore: new Date(now).toISOString(),
        notAfter: new Date(now + 90 * DAY).toISOString(),
      }
    },
  }
}

/** A host that runs every command with exit code 0, unless `answers` has another result for its text. */
export function fakeSsh() {
  const commands: string[] = []
  const files = new Map<string, RemoteFile>()
  const answers = new Map<string, Partial<ExecResult>[]>()
  return {
    commands,
    files,
    /** The next results of commands whose text contains `part`; the last one stays. */
    answer: (part: string, ...results: Partial<ExecResult>[]) => void answers.set(part, results),
    async exec(_: SshHost, argv: readonly string[]): Promise<ExecResult> {
      const text = argv.join(' ')
      commands.push(text)
      const results = [...answers].find(([part]) => text.includes(part))?.[1] ?? []
      const result = results.length > 1 ? results.shift() : results[0]
      return { code: 0, stdout: '', stderr: '', ...result }
    },
    put: async (_: SshHost, sent: readonly RemoteFile[]) => {
      for (const file of sent) files.set(file.path, file)
    },
    hostKey: async () => HOST_KEY,
    authorizedKey: async () => `${HOST_KEY} lazarus`,
    newHostKey: () => ({ privateKey: PRIVATE_KEY, publicKey: HOST_KEY }),
  }
}

/** A refusal with a provider's code. */
export const refusal = (code: string, retryable = true): PortError =>
  new PortError(code, `refused: ${code}`, { retryable })
