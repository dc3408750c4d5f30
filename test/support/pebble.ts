import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DnsPort } from '../../src/ports/dns.js'
import { freePort } from './ports.js'
import { until } from './wait.js'

export interface Pebble {
  directoryUrl: string
  /** The CA of Pebble's own HTTPS certificate. */
  caFile: string
  /** Puts records where Pebble looks; `records` holds what is there now, by name. */
  dns: DnsPort & { records: Map<string, readonly string[]> }
  /** Kills Pebble and starts it again on the same port: it has forgotten every account and order. */
  restart(): Promise<void>
  stop(): Promise<void>
}

/** A real ACME issuer with the name server that it asks, both on free ports of 127.0.0.1. */
export async function startPebble(config: Record<string, unknown> = {}): Promise<Pebble> {
  const directory = mkdtempSync(join(tmpdir(), 'lazarus-pebble-'))
  const [port, management, dnsPort, dnsManagement] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  const names = spawn(
    'pebble-challtestsrv',
    [
      ...['-http01', '', '-https01', '', '-tlsalpn01', '', '-defaultIPv4', '', '-defaultIPv6', ''],
      ...['-dns01', `127.0.0.1:${dnsPort}`, '-management', `127.0.0.1:${dnsManagement}`],
    ],
    { stdio: 'ignore' },
  )
  const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
  selfSigned(cert, key)
  const settings = {
    listenAddress: `127.0.0.1:${port}`,
    managementListenAddress: `127.0.0.1:${management}`,
    certificate: cert,
    privateKey: key,
    ...config,
  }
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ pebble: settings }))
  const start = async () => {
    const child = spawn(
      'pebble',
      ['-config', join(directory, 'config.json'), '-dnsserver', `127.0.0.1:${dnsPort}`],
      { stdio: 'ignore', env: { PATH: process.env.PATH, PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0' } },
    )
    await until(() => answers(port), { what: 'Pebble to listen' })
    return child
  }
  let pebble = await start()
  return {
    directoryUrl: `https://127.0.0.1:${port}/dir`,
    caFile: cert,
    dns: challengeDns(dnsManagement),
    async restart() {
      await end(pebble)
      pebble = await start()
    },
    async stop() {
      await end(pebble)
      await end(names)
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function end(child: ReturnType<typeof spawn>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function selfSigned(cert: string, key: string): void {
  const form = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', ...form, ...subject, '-keyout', key, '-out', cert], {
    stdio: 'ignore',
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    // Whether it answers at all; its certificate is none of this function's business.
    const options = { host: '127.0.0.1', port, path: '/dir', rejectUnauthorized: false, agent: false }
    request(options, response => {
      response.resume()
      resolve(response.statusCode === 200)
    })
      .on('error', reject)
      .end()
  })
}

function challengeDns(port: number): Pebble['dns'] {
  const records = new Map<string, readonly string[]>()
  const call = async (path: string, body: object) => {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`challtestsrv answered ${answer.status}`)
  }
  return {
    records,
    async set({ name, values }) {
      await call('clear-txt', { host: `${name}.` })
      for (const value of values) await call('set-txt', { host: `${name}.`, value })
      records.set(name, values)
    },
    async remove({ name }) {
      await call('clear-txt', { host: `${name}.` })
      records.delete(name)
    },
    list: () => Promise.resolve([]),
  }
}
