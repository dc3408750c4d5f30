/** The images that machines are made from. */
export type ImageName = 'debian-12' | 'docker-ce'

/** What a machine needs to come up. `userData` holds the host's private SSH key: never log it. */
export interface MachinePlan {
  id: number
  name: string
  image: ImageName
  /** Host number in the sandbox's subnet: the addresses follow from it. */
  host: number
  userData: string | null
  authorizedKeys: readonly string[]
  /** False: the machine comes up with nothing listening on port 22. */
  ssh: boolean
  /** How many installations of packages shall fail first. */
  failInstalls: number
}

/** What raises and ends machines. Every verb may be repeated; those for a machine that is gone do nothing. */
export interface MachineDriver {
  /** Starts the machine on its disk (a new one at the first time). Returns when its sshd answers; throws when it does not come up. */
  boot(plan: MachinePlan): Promise<void>
  /** Cuts the power: returns when no process is left and the address is dead. The disk stays. */
  halt(id: number): Promise<void>
  /** Cuts the power and removes the disk. */
  erase(id: number): Promise<void>
  /** Opens or closes port 22 of a running machine; sessions that exist go on. */
  setSsh(id: number, open: boolean): void
  /** Lets the next `times` installations of packages on a running machine fail. */
  failInstalls(id: number, times: number): void
  /** The machine's first process as the host sees it, or null when it is off. */
  pid(id: number): number | null
  /** Calls `listener` when a machine ends without having been told to. */
  onDeath(listener: (id: number) => void): void
  /** Cuts the power of all and takes the network down. Disks stay. */
  close(): Promise<void>
}
