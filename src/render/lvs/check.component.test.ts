import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { exampleCluster, exampleHosts, exampleWith } from '../../../test/support/lvs/example.js'
import { lvsTemplates } from '../../../test/support/lvs/templates.js'
import { tempDir } from '../../../test/support/temp.js'
import type { Cluster } from './cluster-schema.js'
import { lower } from './lower.js'
import { renderRevision } from './revision.js'

const hosts = new Map([...exampleHosts()].map(([name, address]) => [name, address ?? '']))

/** Lays the files of the one balancer of a cluster out as on the balancer. */
function layOut(cluster: Cluster, change: (text: string) => string = text => text): string {
  const { files } = renderRevision(cluster, {
    templates: lvsTemplates(),
    hosts,
    ospfKey: 'example-key',
    keyMark: 'mark',
  })
  const home = tempDir()
  for (const [file, text] of Object.entries(Object.values(files)[0] ?? {})) {
    const at = path.join(home, file)
    mkdirSync(path.dirname(at), { recursive: true })
    writeFileSync(at, file.startsWith('keepalived/') ? change(text) : text, {
      mode: file.startsWith('sbin/') ? 0o755 : 0o644,
    })
  }
  return home
}

function keepalived(home: string) {
  const { status, stdout, stderr } = spawnSync(
    'keepalived',
    ['-t', '-f', path.join(home, 'keepalived/keepalived.conf')],
    { encoding: 'utf8' },
  )
  return { status, text: stdout + stderr }
}

const kind = (change: 'NAT' | 'DR' | 'TUN', routing: 'frr' | 'quagga' = 'frr'): Cluster => {
  const cluster = exampleWith({ lb: { dialect: 'keepalived', routing } })
  return { ...cluster, vip2ws: cluster.vip2ws.map(vip => ({ ...vip, kind: change })) }
}

describe('S4-6: what is rendered is read by the real programs', () => {
  // keepalived looks for the scripts that it is to run.
  beforeAll(() => {
    execFileSync('keepalived', ['--version'], { stdio: 'ignore' })
  })

  test.each([
    ['NAT', kind('NAT')],
    ['DR', kind('DR')],
    ['TUN', kind('TUN')],
    [
      'maglev hashing',
      { ...kind('DR'), vip2ws: kind('DR').vip2ws.map(vip => ({ ...vip, scheduler: 'mh' as const })) },
    ],
    [
      'UDP without persistence',
      exampleWith({
        cluster: kind('DR'),
        vip: { kind: 'DR', ports: [{ sport: 53, dport: 53, protocol: 'udp', persistence_timeout: 0 }] },
        lb: { dialect: 'keepalived' },
      }),
    ],
  ])('keepalived -t admits %s', (_name, cluster) => {
    expect(keepalived(layOut(cluster, here))).toEqual({ status: 0, text: '' })
  })

  test.each([
    ['alibaba', exampleCluster()],
    ['dpvs', exampleWith({ lb: { dialect: 'dpvs' } })],
  ])('keepalived -t admits the lowered dialect %s', (_name, cluster) => {
    expect(keepalived(layOut(cluster, text => here(lower(text))))).toEqual({ status: 0, text: '' })
  })

  test('keepalived -t refuses a FULLNAT file that was not lowered, and a missing VIP file', () => {
    expect(keepalived(layOut(exampleCluster())).status).not.toBe(0)
    const home = layOut(kind('NAT'), text =>
      here(text).replace('includea 60.28.208.2.conf', 'includea 60.28.208.3.conf'),
    )
    expect(keepalived(home).status).not.toBe(0)
  })

  test.each([
    ['FRR', kind('NAT'), ['frr.conf']],
    ['Quagga', exampleCluster(), ['zebra.conf', 'ospfd.conf']],
  ])('vtysh -C admits the files of %s', (_name, cluster, names) => {
    const home = layOut(cluster)
    for (const name of names) {
      const { status, stdout, stderr } = spawnSync('vtysh', ['-C', '-f', path.join(home, 'routing', name)], {
        encoding: 'utf8',
      })
      expect({ name, status, text: stdout + stderr }).toEqual({ name, status: 0, text: '' })
    }
  })

  test('vtysh -C refuses a broken file', () => {
    const home = layOut(kind('NAT'))
    const at = path.join(home, 'routing/frr.conf')
    writeFileSync(at, 'router ospf\n ospf router-id nonsense\n')
    expect(spawnSync('vtysh', ['-C', '-f', at]).status).not.toBe(0)
  })

  test('sh reads vipctl', () => {
    const home = layOut(kind('NAT'))
    expect(spawnSync('sh', ['-n', path.join(home, 'sbin/vipctl')]).status).toBe(0)
  })
})

/** There is no vipctl on this machine: any program does for a look at the syntax. */
const here = (text: string): string => text.replaceAll('/usr/local/sbin/vipctl', '/bin/true')
