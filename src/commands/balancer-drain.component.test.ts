import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { BALANCER_PROGRAM, quiesceHosts, raiseCost, resetCost, restoreHosts } from './balancer.js'
import type { Argv } from './compose.js'

const PROGRAM = fileURLToPath(new URL('../../templates/keepalived/lazarus-lvs.sh', import.meta.url))
const REVISION = createHash('sha256').update('one').digest('hex')
const OTHER = createHash('sha256').update('two').digest('hex')
const VIP = '198.18.100.1'

let root: string
let servers: Server[]

/** ipvsadm over a file, and a vtysh that says what it was told. Like the real one, ipvsadm takes no option twice. */
const PROGRAMS = {
  ipvsadm: `#!/bin/sh
set -eu
[ "$1" != -Sn ] || exec cat "$STAND_IN/ipvs"
[ "$1" = -e ] || exit 2
shift
echo "$*" >>"$STAND_IN/edits"
case "$*" in *-w*-w*) exit 2 ;; esac
line="-a $*"
key=\${line% -w *}
grep -qF -- "$key -w " "$STAND_IN/ipvs" || exit 1
sed "s|^$key -w .*|$line|" "$STAND_IN/ipvs" >"$STAND_IN/ipvs.new"
mv "$STAND_IN/ipvs.new" "$STAND_IN/ipvs"
`,
  vtysh: `#!/bin/sh
[ ! -f "$STAND_IN/down" ] || exit 1
[ "$*" != '-d ospfd -c show ip ospf' ] || exit 0
[ ! -f "$STAND_IN/refuses" ] || { echo '% Unknown command'; exit 0; }
for word; do [ "$word" = -c ] || echo "$word" >>"$STAND_IN/told"; done
`,
}

beforeEach(() => {
  root = tempDir()
  servers = []
  mkdirSync(at('bin'))
  for (const [name, text] of Object.entries(PROGRAMS)) {
    writeFileSync(at('bin', name), text)
    chmodSync(at('bin', name), 0o755)
  }
})
afterEach(async () => {
  for (const server of servers) await new Promise(done => server.close(done))
})

const at = (...parts: string[]) => path.join(root, ...parts)
const home = (...parts: string[]) => at('var/lib/lazarus/lvs', ...parts)
const read = (...parts: string[]) => (existsSync(at(...parts)) ? readFileSync(at(...parts), 'utf8') : '')

function run([program, ...argv]: Argv) {
  expect(program).toBe(BALANCER_PROGRAM)
  const { status, stdout, stderr } = spawnSync('sh', [PROGRAM, ...argv], {
    encoding: 'utf8',
    env: { ...process.env, LAZARUS_ROOT: root, STAND_IN: root, PATH: `${at('bin')}:${process.env.PATH}` },
  })
  return { status, stdout, stderr }
}

/** Something that takes connections on 127.0.0.1. */
async function listening(): Promise<number> {
  const server = createServer(socket => socket.destroy())
  servers.push(server)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

const table = (...lines: string[]) => writeFileSync(at('ipvs'), `${lines.join('\n')}\n`)

describe('S4-4: weights of a balancer', () => {
  test('hosts lose their weight in every service of the VIP, and how they are reached stays', () => {
    table(
      `-A -t ${VIP}:80 -s wrr -p 50`,
      `-a -t ${VIP}:80 -r 10.0.20.11:80 -m -w 100`,
      `-a -t ${VIP}:80 -r 10.0.20.12:80 -m -w 100`,
      `-A -t ${VIP}:443 -s mh -b mh-fallback,mh-port`,
      `-a -t ${VIP}:443 -r 10.0.20.11:443 -i --tun-type ipip -w 7`,
      `-A -t 198.18.100.11:80 -s wrr`,
      `-a -t 198.18.100.11:80 -r 10.0.20.11:80 -g -w 100`,
      `-A -u ${VIP}:53 -s rr`,
      `-a -u ${VIP}:53 -r 10.0.20.111:53 -m -w 100`,
    )
    expect(run(quiesceHosts(VIP, ['10.0.20.11']))).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(read('edits').trim().split('\n')).toEqual([
      `-t ${VIP}:80 -r 10.0.20.11:80 -m -w 0`,
      `-t ${VIP}:443 -r 10.0.20.11:443 -i --tun-type ipip -w 0`,
    ])
    // Told again, there is nothing to do.
    expect(run(quiesceHosts(VIP, ['10.0.20.11'])).status).toBe(0)
    expect(read('edits').trim().split('\n')).toHaveLength(2)
  })

  test('they get back what they had, when they listen; one that was down before gets nothing', async () => {
    const [open, also] = [await listening(), await listening()]
    const before = [
      `-A -t ${VIP}:80 -s wrr -p 50`,
      `-a -t ${VIP}:80 -r 127.0.0.1:${open} -m -w 30`,
      `-a -t ${VIP}:80 -r 127.0.0.1:${also} -m -w 0`,
      `-a -t ${VIP}:80 -r 127.0.0.2:1 -m -w 100`,
      `-A -u ${VIP}:53 -s rr`,
      `-a -u ${VIP}:53 -r 127.0.0.1:53 -m -w 100`,
    ]
    table(...before)
    expect(run(quiesceHosts(VIP, ['127.0.0.1', '127.0.0.2'])).status).toBe(0)
    expect(read('ipvs')).not.toMatch(/-w [1-9]/)
    expect(run(restoreHosts(VIP, ['127.0.0.1', '127.0.0.2']))).toEqual({
      ...{ status: 0, stderr: '' },
      stdout: '127.0.0.2:1 does not listen: it has its weight back when its check passes\n',
    })
    expect(read('ipvs').trim().split('\n')).toEqual(
      before.map(line => (line.includes('127.0.0.2:1') ? line.replace('-w 100', '-w 0') : line)),
    )
    // Told again, a host that somebody else has taken out stays out.
    table(...before.map(line => line.replace(/-w \d+/, '-w 0')))
    expect(run(restoreHosts(VIP, ['127.0.0.1'])).status).toBe(0)
    expect(read('ipvs')).not.toMatch(/-w [1-9]/)
  })

  test('one drain gives back only what it took itself; an operator gives all back', () => {
    const weights = (first: number, second: number) =>
      `-a -u ${VIP}:53 -r 10.0.20.11:53 -m -w ${first}\n-a -u ${VIP}:53 -r 10.0.20.12:53 -m -w ${second}\n`
    const both = ['10.0.20.11', '10.0.20.12']
    table(weights(30, 40).trim())
    expect(run(quiesceHosts(VIP, ['10.0.20.11'], 'r-first'))).toEqual({ status: 0, stdout: '', stderr: '' })
    for (const _ of ['told', 'told again']) expect(run(quiesceHosts(VIP, both, 'r-second')).status).toBe(0)
    expect(read('ipvs')).toBe(weights(0, 0))
    expect(run(restoreHosts(VIP, both, 'r-third')).status).toBe(0)
    expect(read('ipvs')).toBe(weights(0, 0))
    expect(run(restoreHosts(VIP, both, 'r-second'))).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(read('ipvs')).toBe(weights(0, 40))
    expect(run(restoreHosts(VIP, both)).status).toBe(0)
    expect(read('ipvs')).toBe(weights(30, 40))
  })

  test('a name of a drain that is none is refused', () => {
    table(`-a -t ${VIP}:80 -r 10.0.20.11:80 -m -w 100`)
    expect(run(quiesceHosts(VIP, ['10.0.20.11'], 'a b')).status).toBe(1)
    expect(run([BALANCER_PROGRAM, 'quiesce', 'by=r-first', VIP]).status).toBe(1)
    expect(read('edits')).toBe('')
  })

  test('a weight that keepalived gave back meanwhile is left as it is', async () => {
    const open = await listening()
    const line = `-a -t ${VIP}:80 -r 127.0.0.1:${open} -m -w`
    table(`${line} 100`)
    run(quiesceHosts(VIP, ['127.0.0.1']))
    table(`${line} 80`)
    expect(run(restoreHosts(VIP, ['127.0.0.1'])).status).toBe(0)
    expect(read('ipvs')).toBe(`${line} 80\n`)
  })

  test('clients that are kept on a host are sent elsewhere, where the kernel can do that', () => {
    table(`-A -t ${VIP}:80 -s wrr -p 50`)
    mkdirSync(at('proc/sys/net/ipv4/vs'), { recursive: true })
    writeFileSync(at('proc/sys/net/ipv4/vs/expire_quiescent_template'), '0\n')
    run(quiesceHosts(VIP, ['10.0.20.11']))
    expect(read('proc/sys/net/ipv4/vs/expire_quiescent_template')).toBe('1\n')
  })

  test.each([
    ['a name', 'host'],
    ['an option', '-w'],
    ['a line after an address', '10.0.20.11\n-C'],
    ['a shell text', '10.0.20.11;id'],
    ['five numbers', '10.0.20.11.1'],
    ['three numbers', '10.0.20'],
    ['nothing', ''],
  ])('%s is no address', (_, text) => {
    table(`-A -t ${VIP}:80 -s wrr -p 50`)
    expect(run(quiesceHosts(VIP, [text])).status).toBe(1)
    expect(run(quiesceHosts(text, ['10.0.20.11'])).status).toBe(1)
    expect(read('edits')).toBe('')
  })

  test('where the kernel has no IPVS, it says so', () => {
    expect(run(quiesceHosts(VIP, ['10.0.20.11'])).status).not.toBe(0)
  })
})

const FRR = `! of revision
router ospf
 ospf router-id 198.18.0.2
 redistribute connected metric 20 metric-type 1 route-map LB-VIPS
exit
`
const OSPFD = `! of revision
interface em1
 ip ospf cost 15
line vty
`

/** A revision with these files of the routing daemon, in force. */
function inForce(revision: string, files: Record<string, string>): void {
  mkdirSync(home(revision, 'routing'), { recursive: true })
  mkdirSync(home(revision, 'keepalived'), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(home(revision, 'routing', name), text)
  expect(run([BALANCER_PROGRAM, 'activate', revision])).toMatchObject({ status: 0 })
}

describe('S4-4: the cost of a balancer', () => {
  test('FRR: what is redistributed gets dear, and stays so over restarts and revisions until it is reset', () => {
    inForce(REVISION, { 'frr.conf': FRR })
    expect(run(raiseCost())).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(read('told').trim().split('\n')).toEqual([
      ...['configure terminal', 'router ospf'],
      'redistribute connected metric 60000 metric-type 1 route-map LB-VIPS',
    ])
    const dear = FRR.replace('metric 20', 'metric 60000')
    expect(read('etc/frr/frr.conf')).toBe(dear)
    inForce(OTHER, { 'frr.conf': FRR.replace('198.18.0.2', '198.18.0.3') })
    expect(read('etc/frr/frr.conf')).toBe(dear.replace('198.18.0.2', '198.18.0.3'))
    expect(readFileSync(home(OTHER, 'routing/frr.conf'), 'utf8')).toContain('metric 20 ')
    expect(run(resetCost()).status).toBe(0)
    expect(read('told').trim().split('\n').at(-1)).toContain('metric 20 ')
    expect(realpathSync(at('etc/frr/frr.conf'))).toBe(realpathSync(home(OTHER, 'routing/frr.conf')))
    expect(run(resetCost()).status).toBe(0)
  })

  test('Quagga: the interface that VIPs stand on gets dear', () => {
    inForce(REVISION, { 'ospfd.conf': OSPFD, 'zebra.conf': 'line vty\n' })
    expect(run(raiseCost()).status).toBe(0)
    expect(read('usr/local/etc/ospfd.conf')).toBe(`${OSPFD}interface lo\n ip ospf cost 60000\n`)
    expect(run(raiseCost()).status).toBe(0)
    expect(read('usr/local/etc/ospfd.conf')).toBe(`${OSPFD}interface lo\n ip ospf cost 60000\n`)
    expect(run(resetCost()).status).toBe(0)
    expect(read('usr/local/etc/ospfd.conf')).toBe(OSPFD)
    const raised = ['configure terminal', 'interface lo', 'ip ospf cost 60000']
    expect(read('told').trim().split('\n')).toEqual([
      ...[...raised, ...raised, 'configure terminal', 'interface lo', 'no ip ospf cost'],
    ])
  })

  test('a routing daemon that refuses is an error', () => {
    inForce(REVISION, { 'frr.conf': FRR })
    writeFileSync(at('refuses'), '')
    expect(run(raiseCost())).toMatchObject({ status: 1, stderr: expect.stringContaining('Unknown command') })
  })

  test('one that does not run cannot be told to be dear; the end of that it reads when it starts', () => {
    inForce(REVISION, { 'frr.conf': FRR })
    writeFileSync(at('down'), '')
    expect(run(raiseCost()).status).toBe(1)
    expect(run(resetCost())).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(read('etc/frr/frr.conf')).toBe(FRR)
  })

  test('before anything is in force there is nothing to make dear', () => {
    expect(run(raiseCost())).toMatchObject({ status: 1, stderr: 'lazarus-lvs: nothing is in force\n' })
  })

  test.each(['0', '65536', '-1', '1e3', '020', '1;id', ''])('%s is no cost', cost => {
    inForce(REVISION, { 'frr.conf': FRR })
    expect(run([BALANCER_PROGRAM, 'cost', cost]).status).toBe(1)
    expect(existsSync(home('.cost'))).toBe(false)
  })
})
