import type { Logger } from 'pino'
import { nextHost } from '../addresses.js'
import type { Events } from '../events.js'
import type { Faults } from '../faults.js'
import { readUserData } from '../machines/cloud-init.js'
import type { MachineDriver, MachinePlan } from '../machines/driver.js'
import type { ActionRow, ServerRow, Store } from '../state.js'
import type { Actions } from './actions.js'
import { HcloudError, notFound, serverLimit, uniqueness } from './errors.js'

/** What the servers stand on. */
export interface Ground {
  store: Store
  driver: MachineDriver
  events: Events
  faults: Faults
  actions: Actions
  log: Logger
}

/** An order that has passed validation: names are those of the catalogue. */
export type ServerOrder = Pick<
  ServerRow,
  'name' | 'type' | 'location' | 'image' | 'labels' | 'userData' | 'sshKeys'
> & { start: boolean }

export type PowerVerb = 'poweron' | 'poweroff' | 'shutdown' | 'reboot' | 'reset'
const COMMANDS: Record<PowerVerb, string> = {
  poweron: 'start_server',
  poweroff: 'stop_server',
  shutdown: 'shutdown_server',
  reboot: 'reboot_server',
  reset: 'reset_server',
}

/** The servers of the cloud: rows in the state, each with a machine that really runs. */
export class Servers {
  private readonly busy = new Set<number>()

  constructor(private readonly ground: Ground) {
    ground.driver.onDeath(id => this.noteDeath(id))
  }

  list(): ServerRow[] {
    return this.ground.store.state.servers
  }

  /** By id. Throws `not_found`. */
  get(id: string): ServerRow {
    const row = this.list().find(server => String(server.id) === id)
    if (!row) throw notFound('server', id)
    return row
  }

  /** Those that go by this name, id, or Lazarus label; for the control interface. */
  named(name: string): ServerRow[] {
    return this.list().filter(server => namesOf(server).includes(name))
  }

  /** Takes the order and starts the machine; the actions end when it is up. */
  create(order: ServerOrder): { server: ServerRow; action: ActionRow; next: ActionRow[] } {
    const { store, actions, events } = this.ground
    if (this.list().some(server => server.name === order.name)) {
      throw uniqueness('server name is already used', 'name')
    }
    const { start, ...facts } = order
    const server: ServerRow = {
      ...facts,
      id: store.nextId(),
      status: 'initializing',
      created: new Date().toISOString(),
      host: this.takeHost(),
    }
    store.state.servers.push(server)
    const about = [{ id: server.id, type: 'server' }]
    const action = actions.begin('create_server', about)
    const next = start ? [actions.begin('start_server', about)] : []
    store.save()
    const { type, location, labels } = server
    if (readUserData(server.userData) === null) {
      this.ground.log.warn(
        { server: server.name },
        'user data is not understood: the machine boots without it',
      )
    }
    events.add('server.created', server.name, { id: server.id, type, location, labels })
    if (start) this.work(server, [action, ...next], () => this.boot(server, true))
    else this.work(server, [action], async () => void this.mark(server, 'off'))
    return { server, action, next }
  }

  /** Ends the machine and forgets the server; also while it is still coming up. */
  delete(server: ServerRow): ActionRow {
    const { store, actions, driver, events } = this.ground
    const action = actions.begin('delete_server', [{ id: server.id, type: 'server' }])
    this.mark(server, 'deleting')
    actions.follow([action], async () => {
      await driver.erase(server.id)
      store.state.servers = store.state.servers.filter(row => row !== server)
      events.add('server.deleted', server.name, { id: server.id })
    })
    return action
  }

  /** Throws `locked` while something else is being done with the server. */
  power(server: ServerRow, verb: PowerVerb): ActionRow {
    if (this.busy.has(server.id) || server.status === 'deleting') {
      throw new HcloudError(423, 'locked', 'server is locked: another action is running')
    }
    const action = this.ground.actions.begin(COMMANDS[verb], [{ id: server.id, type: 'server' }])
    this.ground.store.save()
    this.work(server, [action], async () => {
      if (verb !== 'poweron') await this.halt(server)
      if (verb === 'poweron' || verb === 'reboot' || verb === 'reset') await this.boot(server, false)
    })
    return action
  }

  /** Cuts the power without the cloud being told why: the server is listed as `off`. */
  async kill(server: ServerRow): Promise<void> {
    if (server.status === 'off') return
    await this.halt(server)
    this.ground.events.add('server.died', server.name, { id: server.id })
  }

  /** After a restart of the sandbox: what ran runs again, what was being deleted goes. */
  async resume(): Promise<void> {
    const running = this.ground.store.state.actions.filter(action => action.status === 'running')
    for (const server of this.list()) {
      const own = running.filter(action => action.resources.some(about => about.id === server.id))
      if (server.status === 'deleting') this.delete(server)
      else if (server.status !== 'off') this.work(server, own, () => this.boot(server, false))
    }
    this.ground.actions.settle(
      running.filter(action => !this.list().some(s => action.resources.some(about => about.id === s.id))),
      null,
    )
    await this.ground.actions.idle()
  }

  private work(server: ServerRow, actions: ActionRow[], work: () => Promise<void>): void {
    this.busy.add(server.id)
    this.ground.actions.follow(actions, () => work().finally(() => this.busy.delete(server.id)))
  }

  private async boot(server: ServerRow, fresh: boolean): Promise<void> {
    this.mark(server, fresh ? 'initializing' : 'starting')
    const plan = this.plan(server, fresh)
    try {
      await this.ground.driver.boot(plan)
    } catch (error) {
      this.mark(server, 'off')
      throw error
    }
    // A fault may have come or gone meanwhile.
    const { ssh } = this.plan(server, fresh)
    if (ssh !== plan.ssh) this.ground.driver.setSsh(server.id, ssh)
    if (this.mark(server, 'running')) {
      this.ground.events.add('server.running', server.name, { id: server.id })
    }
  }

  private async halt(server: ServerRow): Promise<void> {
    await this.ground.driver.halt(server.id)
    this.mark(server, 'off')
  }

  /** False: the server is on its way out, and stays so. */
  private mark(server: ServerRow, status: ServerRow['status']): boolean {
    if (server.status === 'deleting') return false
    server.status = status
    this.ground.store.save()
    return true
  }

  private plan(server: ServerRow, fresh: boolean): MachinePlan {
    const { store, faults } = this.ground
    const names = namesOf(server)
    const keys = store.state.sshKeys.filter(key => server.sshKeys.includes(key.id))
    return {
      id: server.id,
      name: server.name,
      image: server.image === 'docker-ce' ? 'docker-ce' : 'debian-12',
      host: server.host,
      userData: server.userData,
      authorizedKeys: keys.map(key => key.publicKey),
      ssh: faults.forMachine('sshd-refuses', names) === undefined,
      failInstalls: fresh ? (faults.forMachine('apt-fails', names)?.times ?? 0) : 0,
    }
  }

  private takeHost(): number {
    const { state } = this.ground.store
    const host = nextHost(state.lastHost, new Set(this.list().map(server => server.host)))
    if (host === null) throw serverLimit()
    state.lastHost = host
    return host
  }

  private noteDeath(id: number): void {
    const server = this.list().find(row => row.id === id)
    if (!server || !this.mark(server, 'off')) return
    this.ground.events.add('server.died', server.name, { id })
  }
}

const namesOf = ({ name, id, labels }: ServerRow): string[] => [
  name,
  String(id),
  ...['lazarus-key', 'lazarus-node'].flatMap(label => labels[label] ?? []),
]
