import { setTimeout as pause } from 'node:timers/promises'
import type { NextFunction, Request, Response } from 'express'
import { z } from 'zod'

const matching = {
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).optional(),
  /** Beginning of the path, or any part of it. */
  path: z.string().min(1).max(500).optional(),
  times: z.number().int().min(1).max(1_000_000).default(1),
}
const machine = z.string().min(1).max(100)

/** A fault as it is posted. Those with `times` wear off; the others last until they are cleared. */
export const faultSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('answer-lost'), ...matching }),
  z.strictObject({
    kind: z.literal('rate-limit'),
    ...matching,
    retryAfter: z.number().int().min(0).max(3600).default(1),
  }),
  z.strictObject({ kind: z.literal('server-error'), ...matching }),
  z.strictObject({ kind: z.literal('slow'), ms: z.number().int().min(1).max(600_000), ...matching }),
  z.strictObject({
    kind: z.literal('unavailable'),
    type: z.string().optional(),
    location: z.string().optional(),
    times: z.number().int().min(1).optional(),
  }),
  z.strictObject({ kind: z.literal('quota'), times: z.number().int().min(1).optional() }),
  z.strictObject({ kind: z.literal('machine-dies'), machine }),
  z.strictObject({
    kind: z.literal('sshd-refuses'),
    machine: machine.optional(),
    seconds: z.number().min(0.01).max(86_400).optional(),
  }),
  z.strictObject({
    kind: z.literal('apt-fails'),
    machine: machine.optional(),
    times: z.number().int().min(1).max(1000).default(1),
  }),
])
export type Fault = z.output<typeof faultSchema>
export type HttpFault = Extract<Fault, { kind: 'answer-lost' | 'rate-limit' | 'server-error' | 'slow' }>
/** Faults that lie in wait for machines, also for those still to come. */
export type MachineFault = Extract<Fault, { kind: 'sshd-refuses' | 'apt-fails' }>

/** The faults in force. They live in memory: a restart of the sandbox clears them. */
export class Faults {
  private list: Fault[] = []

  add(fault: Fault): void {
    this.list.push(fault)
  }

  all(): readonly Fault[] {
    return this.list
  }

  clear(): void {
    this.list = []
  }

  drop(fault: Fault): void {
    this.list = this.list.filter(other => other !== fault)
  }

  /** The HTTP faults that a request meets, each counted down once. */
  takeHttp(method: string, path: string): HttpFault[] {
    const met = this.list.filter(fault => isHttp(fault) && matches(fault, method, path)) as HttpFault[]
    for (const fault of met) this.countDown(fault)
    return met
  }

  /** Whether an order for this type in this place finds nothing left; counted down once. */
  takeUnavailable(type: string, location: string): boolean {
    return this.takeOrderFault(
      fault =>
        fault.kind === 'unavailable' &&
        (fault.type ?? type) === type &&
        (fault.location ?? location) === location,
    )
  }

  /** Whether the project may have no more servers; counted down once. */
  takeQuota(): boolean {
    return this.takeOrderFault(fault => fault.kind === 'quota')
  }

  private takeOrderFault(holds: (fault: Fault) => boolean): boolean {
    const met = this.list.find(holds)
    if (met && 'times' in met && met.times !== undefined) this.countDown(met)
    return met !== undefined
  }

  /** The newest fault of a kind that holds for a machine of these names. */
  forMachine<K extends MachineFault['kind']>(
    kind: K,
    names: readonly string[],
  ): Extract<MachineFault, { kind: K }> | undefined {
    const ofKind = this.list.filter((fault): fault is MachineFault => fault.kind === kind)
    const met = ofKind.findLast(fault => fault.machine === undefined || names.includes(fault.machine))
    return met as Extract<MachineFault, { kind: K }> | undefined
  }

  private countDown(fault: Fault & { times?: number | undefined }): void {
    fault.times = (fault.times ?? 1) - 1
    if (fault.times <= 0) this.drop(fault)
  }
}

const isHttp = (fault: Fault): fault is HttpFault =>
  fault.kind === 'answer-lost' ||
  fault.kind === 'rate-limit' ||
  fault.kind === 'server-error' ||
  fault.kind === 'slow'

const matches = (fault: HttpFault, method: string, path: string): boolean =>
  (fault.method ?? method) === method && (fault.path === undefined || path.includes(fault.path))

/** How one API words its refusals: a body for 429 and one for 503. `prefix` goes before its paths. */
export interface Refusals {
  prefix?: string
  contentType?: string
  rateLimit: unknown
  serverError: unknown
}

/** Lets requests of an API meet the faults in force: late, refused, or carried out with the answer cut off. */
export function injectFaults(faults: Faults, refusals: Refusals) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    for (const fault of faults.takeHttp(request.method, `${refusals.prefix ?? ''}${request.originalUrl}`)) {
      if (fault.kind === 'slow') await pause(fault.ms)
      else if (fault.kind === 'answer-lost') loseAnswer(response)
      else {
        refuse(response, fault, refusals)
        return
      }
    }
    next()
  }
}

function loseAnswer(response: Response): void {
  // The handlers run to their end and change what they change; only the answer never leaves.
  response.writeHead = () => response
  response.write = () => true
  response.end = () => {
    response.socket?.destroy()
    return response
  }
}

function refuse(
  response: Response,
  fault: Extract<HttpFault, { kind: 'rate-limit' | 'server-error' }>,
  refusals: Refusals,
): void {
  response.type(refusals.contentType ?? 'application/json')
  if (fault.kind === 'rate-limit') {
    response.set('retry-after', String(fault.retryAfter)).status(429).json(refusals.rateLimit)
  } else response.status(503).json(refusals.serverError)
}
