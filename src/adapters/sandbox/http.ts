import { timingSafeEqual } from 'node:crypto'
import express, { type Request } from 'express'
import type { z } from 'zod'

/** How long our servers keep idle connections, ms: longer than clients do, so that none is cut under a request. */
export const KEEP_ALIVE_MS = 75_000

/** Reads JSON bodies of up to 1 MB. Inside each API's router, so that its own handler words the refusals. */
export const jsonBody = () => express.json({ limit: '1mb', strict: false })

/** A request body that is no JSON, as Express reports it. */
export const isBadJson = (error: unknown): boolean =>
  error instanceof SyntaxError && 'type' in error && error.type === 'entity.parse.failed'

/** Whether the request carries `Authorization: Bearer <token>`, compared in constant time. */
export function hasToken(request: Request, token: string): boolean {
  const given = Buffer.from(request.get('authorization') ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** One value of a query parameter; the first when it is repeated. */
export function queryText(request: Request, name: string): string | undefined {
  const value = request.query[name]
  const first = Array.isArray(value) ? value[0] : value
  return typeof first === 'string' ? first : undefined
}

/** All values of a query parameter, however often it is repeated. */
export function queryList(request: Request, name: string): string[] {
  const value = request.query[name]
  const list = Array.isArray(value) ? value : [value]
  return list.filter(item => typeof item === 'string')
}

/** A path parameter. Express always fills those that the route names. */
export function pathParam(request: Request, name: string): string {
  const value = request.params[name]
  return typeof value === 'string' ? value : ''
}

/** What a schema refuses, one entry a field. */
export const fieldErrors = (error: z.ZodError): { field: string; message: string }[] =>
  error.issues.map(issue => ({ field: issue.path.join('.') || 'body', message: issue.message }))
