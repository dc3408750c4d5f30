import type { NextFunction, Request, Response } from 'express'
import type { z } from 'zod'
import { fieldErrors, isBadJson } from '../http.js'

/** A refusal in the words of the Hetzner Cloud API. */
export class HcloudError extends Error {
  override readonly name = 'HcloudError'
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: unknown = null,
  ) {
    super(message)
  }
}

export const notFound = (what: string, id: string | number): HcloudError =>
  new HcloudError(404, 'not_found', `${what} with ID '${id}' not found`)

export const serverLimit = (): HcloudError =>
  new HcloudError(403, 'resource_limit_exceeded', 'server limit reached')

export const uniqueness = (message: string, field: string): HcloudError =>
  new HcloudError(409, 'uniqueness_error', message, { fields: [{ name: field }] })

export const invalidInput = (field: string, message: string): HcloudError =>
  new HcloudError(422, 'invalid_input', `invalid input in field '${field}'`, {
    fields: [{ name: field, messages: [message] }],
  })

/** Checks a body. Throws `invalid_input` that names every field that is wrong. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  const parsed = schema.safeParse(body ?? {})
  if (parsed.success) return parsed.data
  const fields = fieldErrors(parsed.error).map(({ field, message }) => ({ name: field, messages: [message] }))
  const names = fields.map(field => `'${field.name}'`).join(', ')
  throw new HcloudError(422, 'invalid_input', `invalid input in fields ${names}`, { fields })
}

/** The error body of this API. */
export const errorBody = (code: string, message: string, details: unknown = null) => ({
  error: { code, message, details },
})

/** The last handler of this API's router. */
export function answerHcloudError(
  error: unknown,
  _request: Request,
  response: Response,
  next: NextFunction,
): void {
  if (error instanceof HcloudError) {
    response.status(error.status).json(errorBody(error.code, error.message, error.details))
  } else if (isBadJson(error)) {
    response.status(400).json(errorBody('json_error', 'the request body is no valid JSON'))
  } else next(error)
}
