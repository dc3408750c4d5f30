import { oneLine } from './subscription.js'

/** What was used and what may be, bytes; a limit of null is none. */
export interface Usage {
  up: number
  down: number
  limit: number | null
  expiresAt: Date | null
}

/** The value of `Subscription-Userinfo`, from which clients draw usage and end. A total of 0 is no limit. */
export function userInfo({ up, down, limit, expiresAt }: Usage): string {
  const parts = [`upload=${Math.round(up)}`, `download=${Math.round(down)}`, `total=${limit ?? 0}`]
  // Without an end the field is left out: clients would read 0 as 1970.
  if (expiresAt !== null) parts.push(`expire=${Math.max(1, Math.floor(expiresAt.getTime() / 1000))}`)
  return parts.join('; ')
}

/** The value of `Content-Disposition`: clients name the profile after the file. */
export function disposition(title: string, extension: string): string {
  const file = `${oneLine(title)}.${extension}`
  const plain = file.replaceAll(/[^A-Za-z0-9._-]+/g, '_')
  const exact = encodeURIComponent(file).replaceAll(
    /['()*!]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`
}
