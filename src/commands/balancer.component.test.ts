import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  environment,
  files,
  home,
  one,
  PROGRAM,
  program,
  root,
  run,
  sha256,
  stage,
  sums,
  three,
  two,
} from '../../test/support/lvs/balancer-program.js'
import { readable } from '../jobs/balancer-host.js'
import { readObservation } from '../render/lvs/observe.js'

const inForce = () => readFileSync(path.join(root, 'etc/keepalived/keepalived.conf'), 'utf8')

describe('S4-4: revisions on a balancer', () => {
  test('come into force at once and whole; only what differs is sent', () => {
    expect(stage(one, files('one'))).toHaveLength(3)
    expect(run(['activate', one]).status).toBe(0)
    expect(inForce()).toBe('! one\n')
    expect(stage(two, files('two'))).toEqual(['keepalived/keepalived.conf'])
    expect(inForce()).toBe('! one\n')
    expect(run(['activate', two]).status).toBe(0)
    expect(inForce()).toBe('! two\n')
    // The first one is whole still: what it shares was not written through.
    expect(readFileSync(home(one, 'keepalived/keepalived.conf'), 'utf8')).toBe('! one\n')
  })

  test.each([
    ['less than a quarter of the memory has room for: more', 1024, '87381\n', '21845\n'],
    ['more: left as it is', 262_144, '262144', '1024'],
  ])('places for connections, %s', (_what, before, most, buckets) => {
    program('iptables-legacy', 'exit 0')
    program('iptables-legacy-restore', 'exit 0')
    const proc = (name: string) => path.join(root, 'proc', name)
    mkdirSync(proc('sys/net/netfilter'), { recursive: true })
    writeFileSync(proc('meminfo'), 'MemTotal:         131072 kB\nMemFree: 7 kB\n')
    writeFileSync(proc('sys/net/netfilter/nf_conntrack_max'), String(before))
    writeFileSync(proc('sys/net/netfilter/nf_conntrack_buckets'), '1024')
    stage(one, { ...files('one'), 'snat.rules': '*nat\n' })
    run(['activate', one])
    program('iptables-legacy', 'case $* in *-C*) exit 1 ;; esac')
    expect(run(['sources'])).toMatchObject({ status: 0, stderr: '' })
    expect(readFileSync(proc('sys/net/netfilter/nf_conntrack_max'), 'utf8')).toBe(most)
    expect(readFileSync(proc('sys/net/netfilter/nf_conntrack_buckets'), 'utf8')).toBe(buckets)
  })

  describe('of which one translates sources, and the next does not', () => {
    beforeEach(() => {
      program('service', '')
      for (const name of ['iptables-legacy', 'iptables-legacy-restore'])
        rmSync(path.join(root, 'bin', name), { force: true })
      mkdirSync(path.join(root, 'proc'))
      symlinkSync('/proc/self/net', path.join(root, 'proc/net'))
      const rules =
        '*nat\n:LAZARUS-LVS - [0:0]\n-A LAZARUS-LVS -p tcp -j SNAT --to-source 10.0.19.227\nCOMMIT\n'
      stage(one, { ...files('one'), 'snat.rules': rules })
      stage(two, files('two'))
    })

    /** Reloads these one after the other in a network of its own; answers the table of its kernel, or that it has none. */
    function reloaded(...revisions: string[]): string {
      const lines = revisions.map(each => `sh "$0" activate ${each}; sh "$0" reload >/dev/null`)
      const look =
        'if grep -qx nat /proc/net/ip_tables_names; then iptables-legacy -t nat -S; else echo no table; fi'
      const script = [...lines, look].join('\n')
      const { stdout, stderr } = spawnSync('unshare', ['--net', 'sh', '-ec', script, PROGRAM], {
        ...{ encoding: 'utf8', env: environment() },
      })
      expect(stderr).toBe('')
      return stdout
    }

    test('it does', () => {
      expect(reloaded(one)).toContain('-A LAZARUS-LVS -p tcp -j SNAT --to-source 10.0.19.227\n')
    })

    test('it does not any more', () => {
      const table = reloaded(one, two)
      expect(table).toContain('-N LAZARUS-LVS\n')
      expect(table).not.toContain('SNAT')
    })

    test('it does again', () => {
      expect(reloaded(one, two, one).match(/LAZARUS-LVS -p tcp -j SNAT|POSTROUTING -j/g)).toHaveLength(2)
    })

    test('where nothing ever did, the kernel is not given a table for it', () => {
      expect(reloaded(two)).toBe('no table\n')
    })
  })

  test('keep what the machine had before', () => {
    mkdirSync(path.join(root, 'etc/keepalived'), { recursive: true })
    writeFileSync(path.join(root, 'etc/keepalived/keepalived.conf'), 'by hand')
    stage(one, files('one'))
    run(['activate', one])
    expect(readFileSync(path.join(root, 'etc/keepalived.before-lazarus/keepalived.conf'), 'utf8')).toBe(
      'by hand',
    )
  })

  test('a file that is wanted no more is gone from the new revision', () => {
    stage(one, files('one'))
    run(['activate', one])
    const { 'keepalived/198.18.100.1.conf': _, ...rest } = files('two')
    stage(two, rest)
    expect(readdirSync(home(two, 'keepalived'))).toEqual(['keepalived.conf'])
  })

  test('what arrived broken never becomes a revision', () => {
    run(['begin', one])
    mkdirSync(home(`${one}.part`, 'keepalived'), { recursive: true })
    writeFileSync(home(`${one}.part`, 'keepalived/keepalived.conf'), '! on')
    const finished = run(['finish', one], sums(files('one')))
    expect(finished.status).toBe(1)
    expect(existsSync(home(one))).toBe(false)
    expect(run(['activate', one])).toMatchObject({
      status: 66,
      stderr: `lazarus-lvs: no revision ${one} here: stage it first\n`,
    })
  })

  test('a push that was cut off is begun anew', () => {
    run(['begin', one])
    mkdirSync(home(`${one}.part`, 'keepalived'), { recursive: true })
    writeFileSync(home(`${one}.part`, 'keepalived/half.conf'), 'half')
    expect(stage(one, files('one'))).toHaveLength(3)
    expect(readdirSync(home(one, 'keepalived'))).toEqual(['198.18.100.1.conf', 'keepalived.conf'])
    // Staged once more, nothing has to be sent.
    expect(stage(one, files('one'))).toEqual([])
  })

  test('without a good revision there is nothing to go back to', () => {
    stage(one, files('one'))
    run(['activate', one])
    expect(run(['revert'])).toMatchObject({
      status: 66,
      stderr: 'lazarus-lvs: there is no good revision to go back to\n',
    })
    run(['good'])
    // As after a reload: the routes are known to the routing daemon.
    writeFileSync(home('.loaded-frr.conf'), '! the same\n')
    stage(two, files('two'))
    run(['activate', two])
    // keepalived does not run here: the files are back all the same, and it is said that nobody read them.
    expect(run(['revert']).stderr).toContain('keepalived does not run, and could not be started')
    expect(inForce()).toBe('! one\n')
  })

  test('old ones go, the one in force and the good one stay', () => {
    for (const [index, revision] of [one, two, three].entries()) {
      stage(revision, files(revision))
      utimesSync(home(revision), index, index)
      if (index === 0) {
        run(['activate', revision])
        run(['good'])
      }
    }
    run(['activate', two])
    expect(run(['prune', '0']).status).toBe(0)
    expect(
      readdirSync(home())
        .filter(name => name.length === 64)
        .sort(),
    ).toEqual([one, two].sort())
    expect(readlinkSync(home('current'))).toBe(two)
  })

  test('what was staged just now is not among the old ones, though most of it is a copy', () => {
    stage(one, files('one'))
    utimesSync(home(one), 1, 1)
    run(['activate', one])
    const later = ['4', '5', '6'].map(sha256)
    for (const revision of later) stage(revision, files(revision))
    expect(run(['prune', '2']).status).toBe(0)
    const kept = () => readdirSync(home()).filter(name => name.length === 64)
    expect(kept().sort()).toEqual([one, ...later.slice(1)].sort())
    // Staged again, it is new again.
    stage(later[1] ?? '', files(later[1] ?? ''))
    expect(run(['prune', '1']).status).toBe(0)
    expect(kept().sort()).toEqual([one, later[1]].sort())
  })

  test('what was changed by hand in a revision is not taken for it', () => {
    stage(one, files('one'))
    writeFileSync(home(one, 'keepalived/keepalived.conf'), 'by hand')
    run(['begin', one])
    expect(run(['finish', one], sums(files('one')))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`revision ${one} was changed on this machine`),
    })
  })

  test('what holds the key is read by root, and by the daemon that is to read it', () => {
    stage(one, files('one'))
    expect(statSync(home(one, 'routing/frr.conf')).mode & 0o027).toBe(0)
    expect(statSync(home(one, 'keepalived/keepalived.conf')).mode & 0o777).toBe(0o644)
  })

  test('hosts that keepalived forgot while they were down are taken out of the kernel', () => {
    const conf = (hosts: string[]) =>
      `virtual_server_group 198.18.100.1_80 {\n    198.18.100.1 80\n}\nvirtual_server group 198.18.100.1_80 {\n    protocol TCP\n${hosts.map(host => `    real_server ${host} {\n`).join('')}}\n`
    stage(one, { ...files('one'), 'keepalived/198.18.100.1.conf': conf(['198.18.20.11 8080']) })
    run(['activate', one])
    const saved = [
      ...['-A -t 198.18.100.1:80 -s wrr', '-a -t 198.18.100.1:80 -r 198.18.20.11:8080 -m -w 0'],
      ...['-a -t 198.18.100.1:80 -r 198.18.20.12:8080 -m -w 0'],
      ...['-a -t 198.18.100.1:80 -r 198.18.20.13:8080 -m -w 100'],
      ...['-A -t 198.18.100.9:80 -s wrr', '-a -t 198.18.100.9:80 -r 198.18.20.12:8080 -m -w 0'],
    ]
    program('ipvsadm', `[ "$1" != -Sn ] || printf '%s\\n' ${saved.map(line => `'${line}'`).join(' ')}`)
    expect(run(['good']).status).toBe(0)
    const calls = readFileSync(path.join(root, 'calls'), 'utf8').split('\n')
    expect(calls.filter(call => call.startsWith('ipvsadm -d'))).toEqual([
      'ipvsadm -d -t 198.18.100.1:80 -r 198.18.20.12:8080',
    ])
  })

  test('a balancer that has never run keepalived has it started with its first revision', () => {
    stage(one, files('one'))
    run(['activate', one])
    program('service', '')
    expect(run(['reload']).status).toBe(0)
    expect(readFileSync(path.join(root, 'calls'), 'utf8')).toContain('service keepalived start')
  })
})

describe('S4-2: what a balancer does', () => {
  test('is said in sections, also where there is no IPVS and no routing daemon', () => {
    expect(readObservation(run(['observe']).stdout)).toEqual({
      ...{ current: null, good: null, services: [], addresses: [], neighbours: [] },
    })
  })

  test('is read without the lock that actions hold', () => {
    stage(one, files('one'))
    run(['activate', one])
    const lock = ['flock', home('.lock'), 'sh', PROGRAM, 'observe', 'brief'] as const
    const { status, stdout } = spawnSync(lock[0], lock.slice(1), { encoding: 'utf8', env: environment() })
    expect(status).toBe(0)
    expect(readObservation(stdout).current).toBe(one)
  })

  test('is packed when it is long: ten thousand services', () => {
    program(
      'ipvsadm',
      'i=0; while [ $i -lt 10000 ]; do i=$((i + 1)); echo "TCP  198.18.100.1:$i wrr"; echo \'  -> 198.18.20.11:80 Masq 100 0 0\'; done',
    )
    const { stdout } = run(['observe'])
    expect(stdout.length).toBeLessThan(300_000)
    expect(readable(stdout).services).toHaveLength(10_000)
  })
})

describe('S4-4: a look at a revision', () => {
  const check = (dialect: string, version: string) => {
    program(
      'keepalived',
      `case $1 in -v) echo "Keepalived v${version} (12/01,2026)" >&2;; *) echo no; exit 5;; esac`,
    )
    program('vtysh', '')
    stage(one, files('one'))
    return run(['check', one, dialect])
  }

  test.each([
    ['alibaba', '2.2.7', "keepalived of Alibaba's LVS (1.x) is needed, this is 2.2.7"],
    ['keepalived', '1.2.2', 'stock keepalived 2 or later is needed, this is 1.2.2'],
    ['dpvs', '2.0.19', 'this is no machine with DPVS: there is no dpip'],
    ['other', '2.2.7', 'not a dialect: other'],
  ])('one in the dialect %s is refused by keepalived %s', (dialect, version, words) => {
    expect(check(dialect, version)).toMatchObject({ status: 1, stderr: `lazarus-lvs: ${words}\n` })
  })

  test('any exit but 0 of keepalived is a refusal', () => {
    expect(check('keepalived', '2.2.7').status).toBe(5)
  })

  test('what cannot be tested is admitted where it belongs', () => {
    expect(check('alibaba', '1.2.2')).toMatchObject({ status: 0 })
    program('dpip', '')
    expect(run(['check', one, 'dpvs'])).toMatchObject({ status: 0 })
  })
})

describe('arguments', () => {
  test.each([
    ['begin', '../../etc'],
    ['activate', ''],
    ['finish', 'a'.repeat(63)],
    ['check', `${'a'.repeat(63)}/`],
    ['prune', '-1'],
    ['sing'],
  ])('%s %s is refused', (...argv) => {
    expect(run(argv.filter(word => word !== undefined)).status).toBe(1)
  })
})
