import type { MachineDriver, MachinePlan } from './driver.js'

/** Machines that exist on paper only: for tests of the APIs, which then need no namespaces and no root. */
export class FakeMachines implements MachineDriver {
  readonly running = new Map<number, MachinePlan>()
  readonly disks = new Set<number>()
  readonly orders: string[] = []
  /** Set to let the next boots fail with this. */
  bootError: Error | null = null
  /** What every boot waits for, so that a test can look at a machine that is still coming up. */
  gate: Promise<void> = Promise.resolve()
  private listener: (id: number) => void = () => undefined

  async boot(plan: MachinePlan): Promise<void> {
    await this.gate
    if (this.bootError) throw this.bootError
    this.disks.add(plan.id)
    this.running.set(plan.id, plan)
  }

  async halt(id: number): Promise<void> {
    this.running.delete(id)
  }

  async erase(id: number): Promise<void> {
    this.running.delete(id)
    this.disks.delete(id)
  }

  setSsh(id: number, open: boolean): void {
    this.orders.push(`${id} ssh ${open ? 'open' : 'closed'}`)
  }

  failInstalls(id: number, times: number): void {
    this.orders.push(`${id} fails ${times}`)
  }

  pid(id: number): number | null {
    return this.running.has(id) ? 1 : null
  }

  onDeath(listener: (id: number) => void): void {
    this.listener = listener
  }

  /** Ends a machine as if it had crashed. */
  crash(id: number): void {
    this.running.delete(id)
    this.listener(id)
  }

  async close(): Promise<void> {
    this.running.clear()
  }
}
