import { PortError } from '../../src/core/errors.js'
import type { Ports } from '../../src/ports/index.js'
import { fakeClusters, fakeResolver } from './fake-clusters.js'
import { fakeCertificates, fakeCompute, fakeDns, fakeSsh } from './fake-providers.js'
import { fakeConfigs, fakeFleet, fakeNodes, fakeServices, fakeShelf, fakeVault } from './fake-records.js'
import { lvsTemplates } from './lvs/templates.js'

/** A fault of one call: `before` it has an effect, or `after` (the answer is lost). */
interface Fault {
  call: string
  when: 'before' | 'after'
  error: Error
}

/** An answer that never arrived, as adapters report it. */
export const lost = (): PortError =>
  new PortError('connection-lost', 'the answer was lost', { retryable: true })

/** A world in memory: every port a fake, every call counted, any call made to fail. */
export function fakeWorld() {
  const clock = { time: new Date('2026-01-01T00:00:00Z'), now: () => clock.time }
  const nodes = fakeNodes()
  const fakes = {
    compute: fakeCompute(),
    dns: fakeDns(),
    certificates: fakeCertificates(clock),
    ssh: fakeSsh(),
    clock,
    nodes,
    services: fakeServices(() => nodes.rows),
    clusters: fakeClusters(),
    resolver: fakeResolver(),
    certificateShelf: fakeShelf(),
    configs: fakeConfigs(),
    vault: fakeVault(),
    fleet: fakeFleet(),
    upkeep: {
      beginPeriods: async () => 2,
      downsample: async () => undefined,
      forget: async () => ({ denials: 3 }),
    },
    notices: { told: [] as string[], tell: async ({ once }: { once: string }) => told(once) },
    settings: {
      ...{ publicUrl: 'http://198.18.0.1:8080', heartbeatInterval: 10, missedBeats: 3 },
      ...{ edgeImage: 'example/edge:1', edgeSources: { lua: {}, templates: TEMPLATES } },
      lvsTemplates: lvsTemplates(),
      lvsPatience: 60_000,
      lvsSteady: 15_000,
    },
  }
  const told = (once: string) => {
    if (fakes.notices.told.includes(once)) return false
    fakes.notices.told.push(once)
    return true
  }
  const faults: Fault[] = []
  const calls: string[] = []
  const ports = Object.fromEntries(
    Object.entries(fakes).map(([name, port]) => [name, watched(name, port, faults, calls)]),
  ) as unknown as Ports
  return {
    ...fakes,
    ports,
    /** Names of all calls so far, such as `compute.create`. */
    calls,
    /** Makes the next such call fail. */
    fail: (call: string, when: Fault['when'], error: Error = lost()) =>
      void faults.push({ call, when, error }),
  }
}
export type World = ReturnType<typeof fakeWorld>

const TEMPLATES = {
  'nginx/nginx.conf.eta': 'http {}',
  'nginx/server.conf.eta': 'server {}',
  'html/index.html': 'hello',
}

function watched(name: string, port: object, faults: Fault[], calls: string[]): object {
  return new Proxy(port, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        const call = `${name}.${String(property)}`
        calls.push(call)
        const index = faults.findIndex(at => at.call === call)
        const [fault] = index < 0 ? [] : faults.splice(index, 1)
        if (fault?.when === 'before') return Promise.reject(fault.error)
        const answer: unknown = Reflect.apply(value, target, args)
        return fault ? Promise.resolve(answer).then(() => Promise.reject(fault.error)) : answer
      }
    },
  })
}
