import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { machineAddress, type Subnet } from '../addresses.js'
import { buildBase } from './base.js'
import { prepareDisk } from './disk.js'
import type { MachineDriver, MachinePlan } from './driver.js'
import { Machine } from './machine.js'
import { hasIpv6, releaseSubnet, removeLink } from './network.js'

/** Machines as Linux namespaces on one bridge. See `driver.ts` for the verbs. */
export class NamespaceMachines implements MachineDriver {
  private readonly machines = new Map<number, Machine>()
  private readonly preparing = new Map<number, Promise<string>>()
  /** Machines whose power was cut before their first process was there. */
  private readonly cut = new Set<number>()
  private listener: (id: number) => void = () => undefined

  private constructor(
    private readonly directory: string,
    private readonly subnet: Subnet,
    private readonly log: Logger,
  ) {}

  /** Gets ready to raise machines below `directory` on a bridge that exists. */
  static async open(directory: string, subnet: Subnet, log: Logger): Promise<NamespaceMachines> {
    mkdirSync(join(directory, 'machines'), { recursive: true, mode: 0o700 })
    await buildBase(join(directory, 'base'))
    return new NamespaceMachines(directory, subnet, log)
  }

  async boot(plan: MachinePlan): Promise<void> {
    if (this.machines.has(plan.id)) return
    const machine = await this.launch(plan)
    try {
      await machine.whenUp()
      if (plan.ssh) await machine.whenSshAnswers(machineAddress(this.subnet.n, plan.host).ipv4)
    } catch (error) {
      await this.halt(plan.id)
      throw error
    }
  }

  /** Prepares the disk and starts the first process, unless the power is cut meanwhile. */
  private async launch(plan: MachinePlan): Promise<Machine> {
    const { ipv4, ipv6, mac } = machineAddress(this.subnet.n, plan.host)
    const directory = this.diskOf(plan.id)
    const preparing = prepareDisk(directory, plan, { ipv4, resolver: this.subnet.gateway })
    this.preparing.set(plan.id, preparing)
    const hostname = await preparing.finally(() => this.preparing.delete(plan.id))
    if (this.cut.delete(plan.id)) throw new Error('the power was cut')
    const machine = Machine.start({
      directory,
      bridge: this.subnet.bridge,
      link: this.linkOf(plan.id),
      mac,
      ipv4: `${ipv4}/24`,
      ipv6: hasIpv6() ? `${ipv6}/48` : null,
      hostname,
      ssh: plan.ssh,
      failInstalls: plan.failInstalls,
    })
    this.machines.set(plan.id, machine)
    this.watch(plan.id, machine)
    return machine
  }

  async halt(id: number): Promise<void> {
    const preparing = this.preparing.get(id)
    if (preparing) this.cut.add(id)
    await preparing
    const machine = this.machines.get(id)
    this.machines.delete(id)
    await removeLink(this.linkOf(id))
    await machine?.kill()
  }

  async erase(id: number): Promise<void> {
    await this.halt(id)
    await rm(this.diskOf(id), { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  }

  setSsh(id: number, open: boolean): void {
    this.machines.get(id)?.order(open ? 'ssh-on' : 'ssh-off')
  }

  failInstalls(id: number, times: number): void {
    this.machines.get(id)?.order(`fail-installs ${times}`)
  }

  pid(id: number): number | null {
    return this.machines.get(id)?.pid ?? null
  }

  onDeath(listener: (id: number) => void): void {
    this.listener = listener
  }

  async close(): Promise<void> {
    await Promise.all([...this.preparing.keys(), ...this.machines.keys()].map(id => this.halt(id)))
    await releaseSubnet(this.subnet, this.directory)
  }

  private watch(id: number, machine: Machine): void {
    machine.whenEnded.then(() => {
      if (this.machines.get(id) !== machine) return
      this.machines.delete(id)
      this.log.warn({ id }, 'a machine ended by itself')
      this.listener(id)
    })
  }

  private diskOf(id: number): string {
    return join(this.directory, 'machines', String(id))
  }

  private linkOf(id: number): string {
    return `lz${this.subnet.n}-${id}`
  }
}
