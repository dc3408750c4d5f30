import { Resolver } from 'node:dns/promises'
import pino from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { memoryVault } from '../../../test/support/memory-vault.js'
import { tempDir } from '../../../test/support/temp.js'
import { certificatesConformance } from '../../ports/certificates.conformance.js'
import { dnsConformance } from '../../ports/dns.conformance.js'
import { createAcme } from '../acme/certificates.js'
import { type Sandbox, type SandboxDescription, startSandbox } from '../sandbox/sandbox.js'
import { createCloudflareDns } from './dns.js'

let sandbox: Sandbox
let about: SandboxDescription
beforeAll(async () => {
  sandbox = await startSandbox({ port: 0, dataDir: tempDir(), log: pino({ level: 'silent' }) })
  about = (await (await fetch(`${sandbox.url}/_sandbox`)).json()) as SandboxDescription
})
afterAll(() => sandbox?.close())

const setting = (name: string) => about.settings[name] ?? ''
const cloudflare = () =>
  createCloudflareDns({
    owner: 'lazarus',
    token: setting('CLOUDFLARE_API_TOKEN'),
    baseUrl: setting('CLOUDFLARE_BASE_URL'),
  })
const stays = () => Promise.resolve()

/** A call of the API that is not made by the adapter. */
async function api(path: string, body?: object): Promise<{ result: { id: string }[] }> {
  const answer = await fetch(`${setting('CLOUDFLARE_BASE_URL')}${path}`, {
    method: body ? 'POST' : 'GET',
    headers: {
      authorization: `Bearer ${setting('CLOUDFLARE_API_TOKEN')}`,
      'content-type': 'application/json',
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  })
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`)
  return (await answer.json()) as { result: { id: string }[] }
}

async function lookUp(name: string, type: 'A' | 'AAAA' | 'TXT'): Promise<string[]> {
  const resolver = new Resolver()
  resolver.setServers([`${about.dns.host}:${about.dns.port}`])
  try {
    if (type === 'A') return await resolver.resolve4(name)
    if (type === 'AAAA') return await resolver.resolve6(name)
    return (await resolver.resolveTxt(name)).map(parts => parts.join(''))
  } catch (error) {
    if (['ENODATA', 'ENOTFOUND'].includes((error as NodeJS.ErrnoException).code ?? '')) return []
    throw error
  }
}

dnsConformance('Cloudflare SDK against the sandbox', async () => ({
  dns: cloudflare(),
  zone: about.zone,
  async addForeign(record) {
    const [zone] = (await api(`/zones?name=${about.zone}`)).result
    await api(`/zones/${zone?.id}/dns_records`, record)
  },
  lookUp,
  done: stays,
}))

certificatesConformance('acme-client against the sandbox, proved through Cloudflare', async () => ({
  certificates: createAcme({
    directoryUrl: about.acme.directoryUrl,
    caFile: setting('ACME_CA_FILE'),
    dns: cloudflare(),
    vault: memoryVault(),
  }),
  zone: about.zone,
  done: stays,
}))

test('an answer that the sandbox loses after the effect makes one record', async () => {
  const fault = { kind: 'answer-lost', method: 'POST', path: 'dns_records' }
  const placed = await fetch(`${sandbox.url}/_sandbox/faults`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(fault),
  })
  expect(placed.ok).toBe(true)
  const name = `lost.${about.zone}`
  const never = new AbortController().signal
  await cloudflare().set({ zone: about.zone, name, type: 'A', values: ['198.51.100.1'] }, never)
  expect(await lookUp(name, 'A')).toEqual(['198.51.100.1'])
  const faults = (await (await fetch(`${sandbox.url}/_sandbox/faults`)).json()) as unknown
  expect(JSON.stringify(faults)).not.toContain('answer-lost')
})
