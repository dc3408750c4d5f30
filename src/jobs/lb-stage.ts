import { createHash } from 'node:crypto'
import { z } from 'zod'
import {
  BALANCER_PROGRAM,
  beginRevision,
  finishRevision,
  programDigest,
  pruneRevisions,
  REVISIONS,
} from '../commands/balancer.js'
import { defineJob } from '../core/define-job.js'
import { Fatal } from '../core/errors.js'
import type { ClusterDocument } from '../ports/clusters.js'
import type { Ports } from '../ports/index.js'
import type { RemoteFile, SshHost } from '../ports/ssh.js'
import { actWell, balancerHost, balancerTarget, type Line, lbOf } from './balancer-host.js'
import { documentOf, renderDocument } from './cluster-files.js'

/** How many revisions a balancer keeps, besides the one in force and the last good one. */
const KEPT = 5
const PROGRAM_SOURCE = 'keepalived/lazarus-lvs.sh'

export const lbStage = defineJob({
  name: 'lb.stage',
  summary: 'Brings a revision to a balancer, as far as it does not have it, without putting it in force.',
  queue: 'ssh',
  uses: ['clusters', 'resolver', 'vault', 'settings', 'ssh', 'notices'],
  input: balancerTarget,
  /** How many files were sent. */
  output: z.object({ sent: z.number() }),
  key: input => `lvs-${input.lb}`,
  target: input => input.lb,
  retry: { attempts: 6, first: '1s', max: '30s', timeout: '5m' },

  async run(ctx) {
    const document = await documentOf(ctx.ports, ctx.input)
    const host = await balancerHost(ctx.ports, lbOf(document, ctx.input.lb), ctx.signal)
    const sent = await stage(ctx, host, document, ctx.input.lb)
    ctx.log(`${sent} files sent`)
    await actWell(ctx, host, pruneRevisions(KEPT))
    return { sent }
  },

  // What is staged is in force nowhere, and goes when newer ones come.
  undo: 'nothing-to-undo',
})

type StageLine = Line & { ports: Pick<Ports, 'vault' | 'settings' | 'ssh'> }

/** Makes a document's revision be there on a balancer, whole; answers how many files had to be sent. */
export async function stage(
  line: StageLine,
  host: SshHost,
  document: ClusterDocument,
  lb: string,
): Promise<number> {
  const { id, files } = await renderDocument(line.ports, document)
  if (document.revision !== id)
    throw new Fatal(
      'revision-changed',
      `the OSPF key, the templates or Lazarus itself changed since this run began: sync ${document.cluster.name} anew`,
    )
  await installProgram(line, host)
  const there = digestsIn(await actWell(line, host, beginRevision(id)))
  const wanted = Object.entries(files[lb] ?? {}).map(([path, content]) => ({
    ...{ path, content },
    digest: sha256(content),
  }))
  const missing = wanted.filter(({ path, digest }) => there.get(path) !== digest)
  await line.ports.ssh.put(
    host,
    missing.map(({ path, content }) => remoteFile(`${REVISIONS}/${id}.part/${path}`, content)),
    line.signal,
  )
  await actWell(line, host, finishRevision(id), {
    stdin: wanted.map(({ path, digest }) => `${digest}  ${path}\n`).join(''),
  })
  return missing.length
}

/** Our program is replaced by a rename: one that runs goes on as it began. */
async function installProgram({ ports, signal }: StageLine, host: SshHost): Promise<void> {
  const content = ports.settings.lvsTemplates[PROGRAM_SOURCE]
  if (content === undefined) throw new Fatal('missing-source', `templates/${PROGRAM_SOURCE} was not loaded`)
  const { code, stdout } = await ports.ssh.exec(host, programDigest(), { timeout: 30_000 }, signal)
  if (code === 0 && stdout.startsWith(sha256(content))) return
  await ports.ssh.put(host, [{ path: BALANCER_PROGRAM, content, mode: 0o755 }], signal)
}

/** The routing files hold a key: until the balancer gives them to its daemon, nobody but root reads them. */
const remoteFile = (path: string, content: string): RemoteFile => ({
  ...{ path, content },
  mode: path.includes('/routing/') ? 0o600 : path.endsWith('/vipctl') ? 0o755 : 0o644,
})

const digestsIn = (text: string): Map<string, string> =>
  new Map(
    [...text.matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)].map(([, digest = '', path = '']) => [path, digest]),
  )

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
