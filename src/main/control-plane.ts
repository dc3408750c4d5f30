import { hkdfSync } from 'node:crypto'
import { join, resolve } from 'node:path'
import { type Logger, pino } from 'pino'
import { createAcme } from '../adapters/acme/certificates.js'
import { createCloudflareDns } from '../adapters/cloudflare/dns.js'
import { createHcloudCompute } from '../adapters/hcloud/index.js'
import { createResolver } from '../adapters/resolver.js'
import { generateSshKey } from '../adapters/ssh/keys.js'
import { createSsh } from '../adapters/ssh/ssh.js'
import type { Settings } from '../config/env.js'
import { milliseconds } from '../core/duration.js'
import { Fatal } from '../core/errors.js'
import { createRegistry } from '../core/registry.js'
import { jobs } from '../jobs/index.js'
import { systemClock } from '../ports/clock.js'
import type { Ports } from '../ports/index.js'
import { createEngine } from '../queue/engine.js'
import { EDGE_IMAGE } from '../render/compose.js'
import { createCertificateShelf } from '../store/certificates.js'
import { openDatabase } from '../store/client.js'
import { createClusterBook } from '../store/cluster-book.js'
import { createConfigShelf } from '../store/configs.js'
import { createFleetBook } from '../store/fleet.js'
import { newId } from '../store/ids.js'
import { createNodeBook } from '../store/node-book.js'
import { nodeAddresses } from '../store/nodes.js'
import { createNoticeBoard } from '../store/notifications.js'
import { createSealer, loadSealKey } from '../store/seal.js'
import { createServiceBook } from '../store/service-book.js'
import { createUpkeep } from '../store/upkeep.js'
import { createVault } from '../store/vault.js'
import { workflows } from '../workflows/index.js'
import { loadEdgeSources } from './edge-sources.js'

export type ControlPlane = Awaited<ReturnType<typeof openControlPlane>>

/** The log of this process, on standard error. */
export const openLog = (settings: Settings): Logger =>
  pino({ level: settings.LAZARUS_LOG_LEVEL }, pino.destination({ fd: 2, sync: true }))

/** What every process of the control plane has: settings made usable, the store, the ports, the engine. */
export async function openControlPlane(settings: Settings, redisUrl: string) {
  const dataDir = resolve(settings.LAZARUS_DATA)
  const log = openLog(settings)
  const sealKey = loadSealKey(settings.LAZARUS_SEAL_KEY, dataDir)
  const sealer = createSealer(sealKey)
  const db = await openDatabase(join(dataDir, 'lazarus.db'))
  const vault = createVault(db, sealer)
  const identity = async () =>
    settings.LAZARUS_SSH_KEY ??
    vault.getOrCreate('ssh/identity', async () => generateSshKey('lazarus').privateKey)
  const ssh = createSsh({ identity })
  // Both processes derive it, so that no setting has to be kept the same by hand.
  const statePassword = Buffer.from(hkdfSync('sha256', sealKey, '', 'terraform-state', 24)).toString(
    'base64url',
  )
  const apiUrl = settings.LAZARUS_API_URL ?? `http://${settings.LAZARUS_LISTEN[0]}`
  const publicUrl = settings.LAZARUS_PUBLIC_URL ?? apiUrl
  const subUrl = settings.LAZARUS_SUB_URL ?? publicUrl
  const providers = requireProviders(settings)
  const owner = `lazarus-${settings.LAZARUS_INSTALLATION ?? (await vault.getOrCreate('installation', async () => newId('')))}`
  const compute = await createHcloudCompute({
    endpoint: settings.HCLOUD_ENDPOINT,
    token: providers.hcloud,
    owner,
    terraform: settings.LAZARUS_TERRAFORM,
    stateUrl: `${apiUrl}/tf-state`,
    statePassword,
    dataDir,
  })
  const dns = createCloudflareDns({
    token: providers.cloudflare,
    baseUrl: settings.CLOUDFLARE_BASE_URL,
    owner,
  })
  const certificates = createAcme({
    directoryUrl: settings.ACME_DIRECTORY_URL,
    email: settings.ACME_EMAIL,
    eab: externalAccount(settings),
    caFile: settings.ACME_CA_FILE,
    dns,
    vault,
  })
  const sources = loadEdgeSources()
  const ports: Ports = {
    ...{ compute, dns, certificates, ssh, vault },
    clock: systemClock,
    nodes: createNodeBook(db),
    certificateShelf: createCertificateShelf(db),
    configs: createConfigShelf(db, systemClock),
    services: createServiceBook(db),
    clusters: createClusterBook(db),
    resolver: createResolver({
      nodes: hosts => nodeAddresses(db, hosts),
      servers: settings.LAZARUS_RESOLVER,
    }),
    fleet: createFleetBook(db),
    notices: createNoticeBoard(db),
    upkeep: createUpkeep(db),
    settings: {
      publicUrl,
      heartbeatInterval: milliseconds(settings.LAZARUS_HEARTBEAT_INTERVAL) / 1000,
      missedBeats: settings.LAZARUS_MISSED_BEATS,
      edgeImage: EDGE_IMAGE,
      edgeSources: sources,
      lvsTemplates: sources.templates,
      lvsPatience: milliseconds(settings.LAZARUS_BALANCER_PATIENCE),
      lvsSteady: milliseconds(settings.LAZARUS_BALANCER_STEADY),
    },
  }
  const registry = createRegistry(jobs, workflows)
  const engine = createEngine({ db, registry, redisUrl, warn: message => log.warn(message) })
  return {
    ...{
      settings,
      dataDir,
      redisUrl,
      log,
      db,
      sealer,
      vault,
      ssh,
      statePassword,
      publicUrl,
      subUrl,
      ports,
      registry,
      engine,
    },
    describeCompute: () => compute.describe(),
    async close() {
      await engine.close()
      await ssh.close()
      await db.$disconnect()
    },
  }
}

function requireProviders(settings: Settings): { hcloud: string; cloudflare: string } {
  const { HCLOUD_TOKEN: hcloud, CLOUDFLARE_API_TOKEN: cloudflare } = settings
  if (hcloud && cloudflare) return { hcloud, cloudflare }
  const missing = Object.entries({ HCLOUD_TOKEN: hcloud, CLOUDFLARE_API_TOKEN: cloudflare }).filter(
    ([, value]) => !value,
  )
  throw new Fatal(
    'provider-missing',
    `not set: ${missing.map(([name]) => name).join(', ')}. Set them for a real cloud, or start with --sandbox`,
  )
}

function externalAccount(settings: Settings): { kid: string; hmacKey: string } | undefined {
  const { ACME_EAB_KID: kid, ACME_EAB_HMAC: hmacKey } = settings
  return kid && hmacKey ? { kid, hmacKey } : undefined
}
