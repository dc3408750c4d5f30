import { type Request, type Response, Router } from 'express'
import { z } from 'zod'
import { machineAddress } from './addresses.js'
import type { Events } from './events.js'
import { type Fault, type Faults, faultSchema } from './faults.js'
import type { Servers } from './hcloud/servers.js'
import { fieldErrors, isBadJson, jsonBody, queryText } from './http.js'
import type { MachineDriver } from './machines/driver.js'

/** What the control interface works on; `describe` is the answer of `GET /_sandbox`. */
export interface ControlParts {
  describe: () => object
  faults: Faults
  servers: Servers
  driver: MachineDriver
  events: Events
  subnet: number
}

/** `/_sandbox`: where to find everything, faults, machines and the log of events. Only for this machine. */
export function controlRouter(parts: ControlParts): Router {
  const { faults, servers, events } = parts
  const router = Router()
  router.use(jsonBody())
  router.get('/', (_request, response) => void response.json(parts.describe()))
  router.get('/faults', (_request, response) => void response.json({ faults: faults.all() }))
  router.post('/faults', (request, response) => postFault(parts, request, response))
  router.delete('/faults', (_request, response) => {
    clearFaults(parts)
    response.status(204).end()
  })
  router.get('/machines', (_request, response) => {
    response.json({ machines: servers.list().map(server => machineJson(parts, server)) })
  })
  router.get('/events', (request, response) => {
    const since = z.coerce.number().int().min(0).catch(0).parse(queryText(request, 'since'))
    response.json({ events: events.after(since, queryText(request, 'kind')) })
  })
  router.use((error: unknown, _request: Request, response: Response, next: (error: unknown) => void) => {
    if (isBadJson(error)) refuse(response, [{ field: 'body', message: 'is no valid JSON' }])
    else next(error)
  })
  return router
}

const machineJson = (parts: ControlParts, server: ReturnType<Servers['list']>[number]) => {
  const { ipv4, ipv6 } = machineAddress(parts.subnet, server.host)
  return {
    id: server.id,
    name: server.name,
    address: ipv4,
    ipv6,
    state: server.status,
    labels: server.labels,
    pid: parts.driver.pid(server.id),
  }
}

const refuse = (response: Response, errors: { field: string; message: string }[]): void => {
  const [first] = errors
  const message = first ? `${first.field}: ${first.message}` : 'the fault is not understood'
  response.status(400).json({ error: { code: 'bad-fault', message, fields: errors } })
}

async function postFault(parts: ControlParts, request: Request, response: Response): Promise<void> {
  const parsed = faultSchema.safeParse(request.body ?? {})
  if (!parsed.success) return refuse(response, fieldErrors(parsed.error))
  const fault = parsed.data
  if (fault.kind === 'machine-dies') {
    const victims = parts.servers.named(fault.machine)
    if (victims.length === 0)
      return refuse(response, [{ field: 'machine', message: `there is no '${fault.machine}'` }])
    for (const server of victims) await parts.servers.kill(server)
  } else {
    parts.faults.add(fault)
    strike(parts, fault)
  }
  parts.events.add('fault.added', fault.kind, { ...fault })
  response.status(201).json({ fault })
}

/** The running machines that a fault is about. */
const struck = ({ servers }: ControlParts, machine: string | undefined) =>
  machine === undefined ? servers.list() : servers.named(machine)

function strike(parts: ControlParts, fault: Fault): void {
  if (fault.kind === 'apt-fails') {
    for (const server of struck(parts, fault.machine)) parts.driver.failInstalls(server.id, fault.times)
  }
  if (fault.kind === 'sshd-refuses') {
    for (const server of struck(parts, fault.machine)) parts.driver.setSsh(server.id, false)
    if (fault.seconds !== undefined) {
      setTimeout(() => lift(parts, fault), fault.seconds * 1000).unref()
    }
  }
}

function lift(parts: ControlParts, fault: Extract<Fault, { kind: 'sshd-refuses' }>): void {
  if (!parts.faults.all().includes(fault)) return
  parts.faults.drop(fault)
  for (const server of struck(parts, fault.machine)) parts.driver.setSsh(server.id, true)
}

function clearFaults(parts: ControlParts): void {
  for (const fault of parts.faults.all()) {
    for (const server of parts.servers.list()) {
      if (fault.kind === 'sshd-refuses') parts.driver.setSsh(server.id, true)
      if (fault.kind === 'apt-fails') parts.driver.failInstalls(server.id, 0)
    }
  }
  parts.faults.clear()
}
