import { execFileSync } from 'node:child_process'
import path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../..')

/** Compiles what tests start as processes of their own, once before all: from source, every start costs a second more. */
export default function compile(): void {
  execFileSync(path.join(ROOT, 'bin/compile'), { stdio: 'inherit' })
}
