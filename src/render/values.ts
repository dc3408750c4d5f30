import { isIP, isIPv6 } from 'node:net'
import { z } from 'zod'

/*
 * The types of everything that reaches a configuration file. Each admits only text that cannot end a directive,
 * a string or a line, so that templates need no escaping.
 */

/** One DNS label in lower case. */
export const labelSchema = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a DNS label')

/** A host name of at least two labels in lower case, without a final dot. */
export const hostNameSchema = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'a host name')

/** An IPv4 or IPv6 address without a scope. */
export const addressSchema = z
  .string()
  .refine(text => isIP(text) !== 0 && !text.includes('%'), 'an IP address')

export const portSchema = z.number().int().min(1).max(65535)

/** A reference to a container image with an explicit tag or digest. */
export const imageSchema = z
  .string()
  .max(255)
  .regex(
    /^[a-z0-9][a-z0-9._/-]*(:\d{1,5}\/[a-z0-9._/-]+)?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64})$/,
    'an image reference with a tag or a digest',
  )

/** http(s)://host[:port][/path] without user, query or fragment; parsed by the agent with the same shape. */
export const apiBaseSchema = z
  .string()
  .max(512)
  .regex(
    /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?(\/[A-Za-z0-9._~/-]*)?$/,
    'an http or https URL without user, query or fragment',
  )
  .refine(text => URL.canParse(text), 'a URL')
  .transform(text => text.replace(/\/+$/, ''))

/** The beginning of a URL's path, in characters that mean nothing to nginx nor, but for the dot, to a regex. */
export const pathPrefixSchema = z
  .string()
  .max(200)
  .regex(/^\/[A-Za-z0-9/_.~-]*$/, 'a path of A-Z a-z 0-9 / _ . ~ -')

/** A file on a machine, by its absolute path. */
export const filePathSchema = z
  .string()
  .max(255)
  .regex(/^(\/(?!\.{1,2}(\/|$))[A-Za-z0-9_.-]+)+$/, 'an absolute path of A-Z a-z 0-9 _ . -')

/** A token as we make them: URL-safe, long enough not to be guessed. */
export const secretTokenSchema = z.string().regex(/^[A-Za-z0-9._~-]{16,256}$/, 'a URL-safe token')

/** Whether the URL's host is a name, which a machine can only reach with a resolver. */
export function needsResolver(apiBase: string): boolean {
  return isIP(hostOf(apiBase)) === 0
}

/** The host of a URL, IPv6 without brackets. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '')
}

/** An address as nginx wants it where a port may follow: IPv6 in brackets. */
export const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address)
