import type { ClientSettings, Settings } from '../../config/env.js'
import { codeOf } from '../../core/errors.js'
import { findConnection } from '../connection.js'
import {
  database,
  dataDirectory,
  diskSpace,
  nearestExisting,
  node,
  redis,
  settings as settingsSight,
} from './base.js'
import { type Finding, judge, type Purpose, type Sight } from './finding.js'
import {
  credentials,
  machineDisks,
  namespaces,
  nginx,
  sandboxPrograms,
  terraform,
  testPrograms,
} from './machines.js'

/** Looks at everything that Lazarus needs here. The order is the order in which to put things right. */
export async function examine(
  purpose: Purpose,
  read: { settings: () => Settings; client: ClientSettings },
): Promise<Finding[]> {
  const { sight, settings } = settingsSight(read.settings)
  const dataDir = read.client.LAZARUS_DATA
  const sights = await Promise.all([
    node(),
    sight,
    database(),
    dataDirectory(dataDir),
    diskSpace(dataDir),
    redis(settings?.REDIS_URL),
    nginx(),
    sandboxPrograms(),
    machineDisks(nearestExisting(dataDir)),
    namespaces(),
    ...(settings ? [terraform(settings), credentials(settings)] : []),
    ...testPrograms(),
    api(read.client),
  ])
  return sights.map(sight => judge(sight, purpose))
}

/** Whether everything that `purpose` needs is here. */
export const isReady = (findings: readonly Finding[]): boolean =>
  findings.every(({ status }) => status !== 'missing')

/** The API that the other commands would talk to; none is fine. */
async function api({
  LAZARUS_URL: url,
  LAZARUS_TOKEN: token,
  LAZARUS_DATA: dataDir,
}: ClientSettings): Promise<Sight> {
  const about = { name: 'API', need: 'optional', fix: 'lazarus up' } as const
  const connection = findConnection({ options: {}, environment: { url, token }, dataDir })
  try {
    const response = await fetch(`${connection.url}/readyz`, {
      signal: AbortSignal.timeout(2_000),
      redirect: 'error',
    })
    const detail = response.ok ? `${connection.url} is ready` : `${connection.url} answers ${response.status}`
    return { ...about, ok: response.ok, detail, fix: 'its log says why' }
  } catch (error) {
    const reason = codeOf(error instanceof Error ? error.cause : error)
    return { ...about, ok: false, detail: `nothing answers at ${connection.url} (${reason})` }
  }
}
