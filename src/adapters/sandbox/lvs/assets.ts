import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** A script of ours; they lie beside the source, also when this runs compiled. */
export function lvsAsset(name: string): string {
  const here = join(dirname(fileURLToPath(import.meta.url)), 'assets', name)
  return existsSync(here) ? here : here.replace(/\/dist\/src\//, '/src/')
}
