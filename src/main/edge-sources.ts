import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EdgeSources } from '../render/edge.js'

/** Reads `lua/` and `templates/` of this installation once, for {@link EdgeSources}. Throws when they are missing. */
export function loadEdgeSources(): EdgeSources {
  const home = installation(dirname(fileURLToPath(import.meta.url)))
  return { lua: texts(join(home, 'lua')), templates: texts(join(home, 'templates')) }
}

/** The folder with package.json above this file, which lies deeper in a build than in a checkout. */
function installation(from: string): string {
  if (readdirSync(from).includes('package.json')) return from
  const above = dirname(from)
  if (above === from) throw new Error('no package.json above this program: the installation is not whole')
  return installation(above)
}

function texts(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const named = files.map(file => {
    const path = join(file.parentPath, file.name)
    return [path.slice(folder.length + 1), readFileSync(path, 'utf8')] as const
  })
  return Object.fromEntries(named.sort())
}
