import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { z } from 'zod'
import { type Api, createApi } from '../cli/client.js'
import { SETTINGS } from '../config/env.js'
import { Fatal } from '../core/errors.js'
import { runUp, type Up } from './up.js'

/** A control plane with a sandbox, made for one demo. */
export interface DemoWorld {
  api: Api
  adminToken: string
  compute: string
  sandboxUrl: string
  /** Its own, on a disk where machines can have theirs; removed by `close`. */
  directory: string
  /** Address of this machine that the machines of the sandbox reach. */
  gateway: string
  dns: { host: string; port: number }
  /** PEM file of the root that signs the certificates of the sandbox. */
  rootFile: string
  /** Ends everything and removes every file; may be called again. */
  close(): Promise<void>
}

const sandboxSchema = z.object({
  gateway: z.ipv4(),
  dns: z.object({ host: z.string(), port: z.number() }),
  acme: z.object({ root: z.string().startsWith('-----BEGIN CERTIFICATE-----') }),
})

/**
 * Starts it in a directory of its own. Nothing of the user's settings is used, except which Terraform; `settings` go
 * before those that every demo has.
 */
export async function startWorld(settings: Record<string, string> = {}): Promise<DemoWorld> {
  const dataDir = demoDirectory()
  const adminToken = `lzr_${randomBytes(32).toString('base64url')}`
  let up: Up | undefined
  const close = async (): Promise<void> => {
    await up?.close()
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10 })
  }
  try {
    up = await runUp({
      port: 0,
      dataDir,
      sandbox: true,
      settings: { ...ownSettings(adminToken), ...settings },
    })
    const { url, compute, sandboxUrl } = up
    if (!sandboxUrl) throw new Fatal('no-sandbox', 'the sandbox did not start')
    const { gateway, dns, acme } = sandboxSchema.parse(await (await fetch(`${sandboxUrl}/_sandbox`)).json())
    const rootFile = path.join(dataDir, 'root.pem')
    writeFileSync(rootFile, acme.root)
    return {
      api: createApi({ url, token: adminToken }),
      adminToken,
      compute,
      sandboxUrl,
      directory: dataDir,
      gateway,
      dns,
      rootFile,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** The user's own Redis, tokens and notifications have no part in a demo; which Terraform there is has. */
function ownSettings(adminToken: string): Record<string, string> {
  const names = Object.keys(SETTINGS).filter(name => name !== 'LAZARUS_TERRAFORM')
  const files = names.map(name => [`${name}_FILE`, ''])
  // The data directory and the port are given as options.
  const values = names
    .filter(name => !['LAZARUS_DATA', 'LAZARUS_LISTEN'].includes(name))
    .map(name => [name, ''])
  return {
    ...Object.fromEntries([...files, ...values]),
    LAZARUS_ADMIN_TOKEN: adminToken,
    LAZARUS_LOG_LEVEL: 'silent',
    // Three missed beats are seen soon, and a busy machine does not miss three.
    LAZARUS_HEARTBEAT_INTERVAL: '2s',
  }
}

/** A fresh directory on a disk where machines can have theirs: in a container /tmp is an overlay, and shared memory is not. */
function demoDirectory(): string {
  const parent = [tmpdir(), '/dev/shm'].find(directory => statfsSync(directory).type !== OVERLAYFS_MAGIC)
  return mkdtempSync(path.join(parent ?? tmpdir(), 'lazarus-demo-'))
}
const OVERLAYFS_MAGIC = 0x794c7630
