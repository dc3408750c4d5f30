// Runs every benchmark in a process of its own, one after the other, and ends with one table, or with `--json` one
// line of JSON. Names given as arguments choose some of them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { aimText, type Finding, isMet, line, round } from './measure.js'

const BENCHES = ['engine', 'gate', 'heartbeats', 'scale-out', 'tunnel', 'access', 'lvs', 'lvs-push']

const words = process.argv.slice(2)
const json = words.includes('--json')
const chosen = words.filter(word => word !== '--json')
const unknown = chosen.filter(name => !BENCHES.includes(name))
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${BENCHES.join(', ')}`)
  process.exit(2)
}

async function run(name: string): Promise<Finding[]> {
  const child = fork(new URL(`${name}.ts`, import.meta.url), { execArgv: process.execArgv })
  const found: Finding[] = []
  child.on('message', ({ finding }: { finding: Finding }) => {
    found.push(finding)
    if (!json) console.log(line(finding))
  })
  const [code] = await once(child, 'exit')
  if (found.length > 0 && code === 0) return found
  throw new Error(`the benchmark "${name}" ended with ${code} and ${found.length} results`)
}

const findings: Finding[] = []
for (const name of chosen.length > 0 ? chosen : BENCHES) findings.push(...(await run(name)))
if (json) console.log(JSON.stringify(findings.map(finding => ({ ...finding, met: isMet(finding) }))))
else
  console.table(
    Object.fromEntries(
      findings.map(finding => [
        finding.name,
        {
          compares: finding.compares,
          ratio: round(finding.ratio),
          aim: aimText(finding.aim),
          met: isMet(finding) ? 'yes' : 'no',
        },
      ]),
    ),
  )
