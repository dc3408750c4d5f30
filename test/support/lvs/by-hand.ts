import { createHash } from 'node:crypto'
import type { Balancer } from '../../../src/adapters/sandbox/lvs/balancer.js'
import {
  activateRevision,
  BALANCER_PROGRAM,
  beginRevision,
  checkRevision,
  finishRevision,
  markGood,
  REVISIONS,
  reloadBalancer,
} from '../../../src/commands/balancer.js'
import type { SshHost, SshPort } from '../../../src/ports/ssh.js'
import type { Revision } from '../../../src/render/lvs/revision.js'
import { lvsTemplates } from './templates.js'

const never = new AbortController().signal

/** How to log in to a balancer of a test world. */
export const sshHostOf = ({ addresses, hostKey }: Balancer): SshHost => ({
  address: addresses.inside,
  port: 22,
  user: 'root',
  hostKey,
})

/** Runs a command on a balancer and returns what it printed. Throws when it fails. */
export async function onBalancer(
  ssh: SshPort,
  balancer: Balancer,
  argv: readonly string[],
  stdin = '',
): Promise<string> {
  const { code, stdout, stderr } = await ssh.exec(
    sshHostOf(balancer),
    argv,
    { timeout: 60_000, stdin },
    never,
  )
  if (code !== 0) throw new Error(`${balancer.name}: ${argv.join(' ')}: ${code}: ${stderr}`)
  return stdout
}

/** Brings a revision to a balancer by hand, step by step as the jobs do, and has it read by its programs. */
export async function pushByHand(ssh: SshPort, balancer: Balancer, { id, files }: Revision): Promise<void> {
  const wanted = Object.entries(files[balancer.name] ?? {})
  const content = lvsTemplates()['keepalived/lazarus-lvs.sh'] ?? ''
  await ssh.put(sshHostOf(balancer), [{ path: BALANCER_PROGRAM, content, mode: 0o755 }], never)
  const there = new Set((await onBalancer(ssh, balancer, beginRevision(id))).split('\n'))
  const sent = wanted
    .filter(([path, text]) => !there.has(`${sha256(text)}  ${path}`))
    .map(([path, text]) => ({ path: `${REVISIONS}/${id}.part/${path}`, content: text, mode: 0o600 }))
  await ssh.put(sshHostOf(balancer), sent, never)
  const sums = wanted.map(([path, text]) => `${sha256(text)}  ${path}\n`).join('')
  await onBalancer(ssh, balancer, finishRevision(id), sums)
  for (const step of [checkRevision(id, 'keepalived'), activateRevision(id), reloadBalancer(), markGood()])
    await onBalancer(ssh, balancer, step)
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
