import type { NextFunction, Request, Response } from 'express'
import { isBadJson } from '../http.js'

/** A refusal in the words of the Cloudflare API: a numeric code inside the envelope. */
export class CloudflareError extends Error {
  override readonly name = 'CloudflareError'
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
  ) {
    super(message)
  }
}

export const recordMissing = (): CloudflareError => new CloudflareError(404, 81044, 'Record does not exist.')
export const identicalRecord = (): CloudflareError =>
  new CloudflareError(400, 81058, 'An identical record already exists.')
export const badRecord = (message: string): CloudflareError =>
  new CloudflareError(400, 9005, `DNS Validation Error: ${message}`)

/** The envelope of a refusal. */
export const errorEnvelope = (code: number, message: string) => ({
  result: null,
  success: false,
  errors: [{ code, message }],
  messages: [],
})

/** The envelope of a success. */
export const envelope = (result: unknown, info?: object) => ({
  result,
  success: true,
  errors: [],
  messages: [],
  ...(info ? { result_info: info } : {}),
})

/** The last handler of this API's router. */
export function answerCloudflareError(
  error: unknown,
  _request: Request,
  response: Response,
  next: NextFunction,
): void {
  if (error instanceof CloudflareError) {
    response.status(error.status).json(errorEnvelope(error.code, error.message))
  } else if (isBadJson(error)) {
    response.status(400).json(errorEnvelope(9207, 'Request body is invalid.'))
  } else next(error)
}
