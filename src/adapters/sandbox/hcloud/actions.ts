import type { Logger } from 'pino'
import type { ActionRow, Store } from '../state.js'
import { notFound } from './errors.js'

const KEPT = 500

/** Long-running work of the cloud, as the API lists it. Kept over a restart, so that a client that polls finds its own. */
export class Actions {
  private readonly underWay = new Set<Promise<void>>()

  constructor(
    private readonly store: Store,
    private readonly log: Logger,
  ) {}

  /** A new action, running. The caller saves the state. */
  begin(command: string, resources: { id: number; type: string }[]): ActionRow {
    const action: ActionRow = {
      id: this.store.nextId(),
      command,
      status: 'running',
      progress: 0,
      started: new Date().toISOString(),
      finished: null,
      error: null,
      resources,
    }
    this.store.state.actions = [...this.store.state.actions, action].slice(-KEPT)
    return action
  }

  /** Does the work of `actions` in the background: they succeed or fail with it. */
  follow(actions: readonly ActionRow[], work: () => Promise<void>): void {
    const done = work()
      .then(
        () => this.settle(actions, null),
        error => {
          this.log.warn({ err: error, actions: actions.map(action => action.command) }, 'action failed')
          this.settle(actions, { code: 'action_failed', message: String(error.message ?? error) })
        },
      )
      .finally(() => this.underWay.delete(done))
    this.underWay.add(done)
  }

  /** Ends actions, with an error or without. */
  settle(actions: readonly ActionRow[], error: ActionRow['error']): void {
    for (const action of actions) {
      action.status = error ? 'error' : 'success'
      action.error = error
      action.progress = 100
      action.finished = new Date().toISOString()
    }
    this.store.save()
  }

  /** Throws `not_found`. */
  get(id: string): ActionRow {
    const action = this.store.state.actions.find(row => String(row.id) === id)
    if (!action) throw notFound('action', id)
    return action
  }

  /** The actions of one resource, or all. */
  of(resource?: { id: number; type: string }): ActionRow[] {
    const { actions } = this.store.state
    if (!resource) return actions
    return actions.filter(row => row.resources.some(r => r.id === resource.id && r.type === resource.type))
  }

  /** Returns when nothing is under way any more. */
  async idle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.allSettled(this.underWay)
  }
}
