import { execFileSync } from 'node:child_process'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Compiles the program and what kills it into `dist/`, once before all: from source, every start costs a second more. */
export default function compile(): void {
  const tsc = path.join(ROOT, 'node_modules/.bin/tsc')
  execFileSync(tsc, ['-p', 'test/chaos/tsconfig.json'], { cwd: ROOT, stdio: 'inherit' })
}
