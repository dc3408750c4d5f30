import type { Logger } from 'pino'
import type { Registry } from '../core/registry.js'
import type { Ports } from '../ports/index.js'
import type { Engine } from '../queue/engine.js'
import type { BeatQueue } from '../queue/heartbeats.js'
import type { Db } from '../store/client.js'
import type { Sealer } from '../store/seal.js'

/** Plain values that the API needs; the composition root takes them from the settings. */
export interface ApiSettings {
  /** Zone of pools that name none. */
  zone: string | undefined
  /** Where agents and browsers reach this API; decides whether cookies are for HTTPS only. */
  publicUrl: string
  /** Where subscribers reach `/sub/<token>`, without a slash at the end. */
  subUrl: string
  adminToken: string | undefined
  /** Seconds between two beats of an agent. */
  heartbeatInterval: number
  /** Missed beats after which the other side counts as down. */
  missedBeats: number
  /** What Terraform shows at `/tf-state`. */
  statePassword: string
}

/** Everything the API works with. */
export interface ApiDeps {
  db: Db
  engine: Engine
  beats: BeatQueue
  registry: Registry
  /** The world outside, and our own records of it. */
  ports: Pick<
    Ports,
    'compute' | 'dns' | 'fleet' | 'clusters' | 'resolver' | 'ssh' | 'vault' | 'clock' | 'notices' | 'settings'
  >
  sealer: Sealer
  settings: ApiSettings
  log: Logger
}
