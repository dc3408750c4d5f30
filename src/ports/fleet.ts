import type { SshHost } from './ssh.js'

/** What the operators are told. `once` names the occasion: a second notice of the same occasion is dropped. */
export interface Notice {
  once: string
  /** Stable word for machines: `node-dead`, `node-back`, `orphan`, ... */
  kind: string
  /** What it is about, usually a node's name. */
  subject: string
  /** One sentence for people. Never holds a secret. */
  text: string
}

export interface NoticeBoard {
  /** Keeps a notice unless its occasion was told before; answers whether it is new. */
  tell(notice: Notice): Promise<boolean>
}

/** A dead node that its pool wants replaced, with what the pool wants to buy. Empty lists: the cheapest. */
export interface Replaceable {
  node: string
  pool: string
  zone: string
  incarnation: number
  image: string
  types: string[]
  locations: string[]
}

/** Who may own a machine, a record or a state: every node, and every run that is not over. */
export interface Owners {
  nodes: { name: string; incarnation: number; fqdn: string }[]
  /** Targets held by runs. */
  claimed: string[]
  /** Zones in which Lazarus may have made records. */
  zones: string[]
  /** Keys of the Terraform states kept. */
  states: string[]
}

/** The fleet as a whole, for schedules: each question is one statement, however many nodes there are. */
export interface FleetBook {
  /** Calls ready nodes `dead` that did not beat since `before`, and tells the operators once each. Names, sorted. */
  markSilent(before: Date, now: Date): Promise<string[]>
  /** How many nodes have an agent, and how many of those have been heard since `since`. */
  hearing(since: Date): Promise<{ agents: number; heard: number }>
  /** Nodes dead since `before` or longer, with a machine still on the books, in pools that replace, held by no run. */
  replaceable(before: Date): Promise<Replaceable[]>
  /** Marks users whose end has come and was not yet noticed; how many. */
  markLapsed(now: Date): Promise<number>
  /** Ready nodes, held by no run, whose certificate has less than a third of its life left. */
  certificatesDue(now: Date): Promise<{ node: string; pool: string; zone: string; host: SshHost }[]>
  /** Asked after the provider was listed, so that whatever was begun meanwhile has its owner in here. */
  owners(): Promise<Owners>
}
