import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { files, home, one, program, root, run, stage, two } from '../../test/support/lvs/balancer-program.js'
import { readObservation } from '../render/lvs/observe.js'

describe('S4-4: a routing daemon', () => {
  /** What it was told on its standard input, without the words around. */
  const told = () =>
    readFileSync(path.join(root, 'told'), 'utf8')
      .split('\n')
      .filter(line => !/^(configure terminal|end|exit|)$/.test(line))

  const routing = (conf: string) => ({ 'keepalived/keepalived.conf': '! x\n', 'routing/frr.conf': conf })
  const FRR = `! Lazarus, revision 1
ip prefix-list LB-VIPS seq 5 permit 60.28.208.0/25 ge 32
ip prefix-list LB-VIPS seq 10 permit 60.28.209.0/25 ge 32
interface em1
 ip ospf message-digest-key 8 md5 first-key
 ip ospf cost 15
exit
router ospf
 passive-interface default
 redistribute connected metric 20 metric-type 1 route-map LB-VIPS
exit
interface em1
 no ip ospf passive
exit
`
  beforeEach(() => {
    program('service', '')
    program('vtysh', 'case $* in "") cat >"$LAZARUS_ROOT/told" ;; esac')
    stage(one, routing(FRR))
    run(['activate', one])
    expect(run(['reload'])).toMatchObject({ status: 0 })
  })

  test('is told all of its first file, the key on its standard input', () => {
    expect(told()).toContain(' ip ospf message-digest-key 8 md5 first-key')
    expect(told().filter(line => line.startsWith('ip prefix-list'))).toHaveLength(2)
    expect(readFileSync(path.join(root, 'calls'), 'utf8')).not.toContain('first-key')
  })

  test.each([
    ['nothing, when only the mark of the file differs', FRR.replace('revision 1', 'revision 2'), []],
    [
      'one network more',
      FRR.replace(
        'interface em1',
        'ip prefix-list LB-VIPS seq 15 permit 60.28.210.0/25 ge 32\ninterface em1',
      ),
      ['ip prefix-list LB-VIPS seq 15 permit 60.28.210.0/25 ge 32'],
    ],
    [
      'one network less, and what stays is announced all the while',
      FRR.replace(/.*seq 10.*\n/, '').replace('60.28.208.0/25', '60.28.209.0/25'),
      [
        'ip prefix-list LB-VIPS seq 5 permit 60.28.209.0/25 ge 32',
        'no ip prefix-list LB-VIPS seq 10 permit 60.28.209.0/25 ge 32',
      ],
    ],
    [
      'another key, the old one first',
      FRR.replace('first-key', 'other-key'),
      [
        ...['interface em1', ' no ip ospf message-digest-key 8 md5 first-key'],
        ...['interface em1', ' ip ospf message-digest-key 8 md5 other-key'],
      ],
    ],
    [
      'what was denied is allowed',
      FRR.replace(' no ip ospf passive\n', ''),
      ['interface em1', ' ip ospf passive'],
    ],
  ])('is told only what differs: %s', (_, conf, lines) => {
    rmSync(path.join(root, 'told'))
    stage(two, routing(conf))
    run(['activate', two])
    expect(run(['reload']).status).toBe(0)
    expect(told()).toEqual(lines)
    rmSync(path.join(root, 'told'))
    expect(run(['reload']).status).toBe(0)
    expect(existsSync(path.join(root, 'told'))).toBe(false)
  })

  test('that refuses is told of, and told again the next time', () => {
    program('vtysh', 'case $* in "") cat >"$LAZARUS_ROOT/told"; echo "% Unknown command: x" ;; esac')
    stage(two, routing(FRR.replace('cost 15', 'cost 99')))
    run(['activate', two])
    expect(run(['reload'])).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('== end'),
      stderr: expect.stringContaining('the routing daemon refused: % Unknown command: x'),
    })
    rmSync(path.join(root, 'told'))
    run(['reload'])
    expect(told()).toContain(' ip ospf cost 99')
  })

  test('that is slow is asked again later, and not restarted', () => {
    program('vtysh', 'exit 124')
    stage(two, routing(FRR.replace('cost 15', 'cost 99')))
    run(['activate', two])
    expect(run(['reload'])).toMatchObject({
      ...{ status: 75, stderr: 'lazarus-lvs: the routing daemon does not answer\n' },
    })
    expect(readFileSync(path.join(root, 'calls'), 'utf8')).not.toContain('service frr')
  })

  test('that does not run is started', () => {
    program('vtysh', 'exit 1')
    stage(two, routing(FRR.replace('cost 15', 'cost 99')))
    run(['activate', two])
    expect(run(['reload']).status).toBe(0)
    expect(readFileSync(path.join(root, 'calls'), 'utf8')).toContain('service frr restart')
  })
})

/** A vtysh that refuses, and passes over, what Quagga's does. */
const QUAGGA = `case " $* " in
*' -f '*) echo "vtysh: invalid option -- 'f'" >&2; exit 1 ;;
*' json '*) echo 'No such interface.' ;;
*neighbor*) printf '\\n%s\\n' 'Neighbor ID     Pri State           Dead Time Address' '198.18.0.1        1 Full/DR            9.731s 198.18.0.1' ;;
*' -d ospfd '*) [ -e "$LAZARUS_ROOT/ospfd-runs" ] || { echo 'Exiting: failed to connect to any daemons.' >&2; exit 1; } ;;
*'  '*) cat >"$LAZARUS_ROOT/told" ;;
esac`

describe('S4-4: a balancer with Quagga', () => {
  const quagga = (ospfd: string) => ({
    'keepalived/keepalived.conf': '! x\n',
    'routing/ospfd.conf': ospfd,
    'routing/zebra.conf': 'log syslog\n',
  })
  /** A daemon of Quagga that looks at a file and ends, beside the path as on Debian. */
  const DRY_RUN = `[ "$1 $2" = '-C -f' ] || exit 9
! grep -n nonsense "$3" >&2 || exit 1`

  beforeEach(() => {
    program('service', '')
    program('vtysh', QUAGGA)
    program('keepalived', 'echo "Keepalived v1.2.2 (12/01,2026)" >&2')
    mkdirSync(path.join(root, 'usr/lib/quagga'), { recursive: true })
    for (const name of ['zebra', 'ospfd']) {
      program(name, DRY_RUN)
      renameSync(path.join(root, 'bin', name), path.join(root, 'usr/lib/quagga', name))
    }
  })
  const calls = () => readFileSync(path.join(root, 'calls'), 'utf8')

  test('has each file looked at by the daemon that reads it', () => {
    stage(one, quagga('router ospf\n'))
    expect(run(['check', one, 'alibaba'])).toEqual({ status: 0, stdout: '', stderr: '' })
    expect(calls()).toContain(`zebra -C -f ${home(one, 'routing/zebra.conf')}\n`)
    expect(calls()).toContain(`ospfd -C -f ${home(one, 'routing/ospfd.conf')}\n`)
    stage(two, quagga('router ospf\n nonsense\n'))
    expect(run(['check', two, 'alibaba'])).toMatchObject({ status: 1, stderr: '2: nonsense\n' })
  })

  test('has the file of FRR looked at by vtysh, as ever', () => {
    stage(one, files('one'))
    expect(run(['check', one, 'alibaba']).status).toBe(1)
    expect(calls()).toContain(`vtysh -C -f ${home(one, 'routing/frr.conf')}\n`)
  })

  test('is asked for its neighbours in words, for it knows no JSON', () => {
    expect(readObservation(run(['observe', 'brief']).stdout).neighbours).toEqual(['198.18.0.1'])
  })

  test('has daemons started when ospfd does not run, though zebra does', () => {
    stage(one, quagga('router ospf\n'))
    run(['activate', one])
    expect(run(['reload']).status).toBe(0)
    expect(calls()).toContain('service ospfd restart')
    expect(existsSync(path.join(root, 'told'))).toBe(false)
  })

  test('has ospfd told, when it runs', () => {
    writeFileSync(path.join(root, 'ospfd-runs'), '')
    stage(one, quagga('router ospf\n network 60.28.208.0/25 area 0.0.0.0\n'))
    run(['activate', one])
    expect(run(['reload']).status).toBe(0)
    expect(calls()).not.toContain('service ospfd')
    // The last file that was told of.
    expect(readFileSync(path.join(root, 'told'), 'utf8')).toContain('log syslog')
  })
})
