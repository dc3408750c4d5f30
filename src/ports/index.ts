import type { CertificatesPort } from './certificates.js'
import type { Clock } from './clock.js'
import type { ClusterBook, ResolverPort } from './clusters.js'
import type { ComputePort } from './compute.js'
import type { DnsPort } from './dns.js'
import type { FleetBook, NoticeBoard } from './fleet.js'
import type { CertificateShelf, ConfigShelf, NodeBook, Vault } from './records.js'
import type { ServiceBook } from './services.js'
import type { SshPort } from './ssh.js'
import type { Upkeep } from './upkeep.js'

/** Everything a job may ask for by naming it in `uses`: the outside world, and our own records. */
export interface Ports {
  compute: ComputePort
  dns: DnsPort
  certificates: CertificatesPort
  ssh: SshPort
  clock: Clock
  nodes: NodeBook
  certificateShelf: CertificateShelf
  configs: ConfigShelf
  services: ServiceBook
  clusters: ClusterBook
  resolver: ResolverPort
  vault: Vault
  fleet: FleetBook
  notices: NoticeBoard
  upkeep: Upkeep
  settings: FleetSettings
}

/** The settings that jobs need; the composition root fills them from the environment. */
export interface FleetSettings {
  /** Where agents reach the control plane, without a final slash. */
  publicUrl: string
  /** Seconds between two beats. */
  heartbeatInterval: number
  /** Missed beats after which the other side counts as down. */
  missedBeats: number
  /** Container image of the edge. */
  edgeImage: string
  /** The texts that every edge gets, by path inside `lua/` and `templates/`. */
  edgeSources: { lua: Readonly<Record<string, string>>; templates: Readonly<Record<string, string>> }
  /** The templates of balancers and our program for them, by path inside `templates/`. */
  lvsTemplates: Readonly<Record<string, string>>
  /** How long a balancer that was reloaded may take to serve what it should, milliseconds. */
  lvsPatience: number
  /** How long after its reload it has to serve still, milliseconds. */
  lvsSteady: number
}
