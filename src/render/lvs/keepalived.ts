import {
  type Cluster,
  dialectOf,
  kindOf,
  type Lb,
  portsOf,
  type Vip,
  type WholePort,
} from './cluster-schema.js'
import { toAddress } from './ipv4.js'
import { twinOf } from './ospf.js'
import { localRangesOf, rangeTexts } from './ranges.js'
import { fill, type LvsTemplates } from './templates.js'

type Dialect = ReturnType<typeof dialectOf>

/** Where a balancer marks which services of a VIP have quorum. */
const MARKERS = '/run/lazarus/vip'
/** What puts a VIP on lo, and takes it off again. */
export const VIPCTL = '/usr/local/sbin/vipctl'
/** Our program on a balancer. */
const PROGRAM = '/usr/local/sbin/lazarus-lvs'

/** The main file of a balancer: who it is, its local addresses, one include for each VIP. */
export function renderMain(templates: LvsTemplates, cluster: Cluster, lb: Lb): string {
  const dialect = dialectOf(lb)
  return fill(templates, 'keepalived/main.conf.eta', {
    name: lb.hostname.split('.')[0],
    // keepalived 2 runs scripts as nobody, or not at all, unless it is told who may.
    globals: dialect === 'alibaba' ? [] : ['script_user root', 'enable_script_security'],
    locals: dialect === 'keepalived' ? [] : localLines(dialect, cluster, lb),
    vips: cluster.vip2ws.map(each => each.vip),
    // Stock keepalived passes over a file that is missing, unless told to insist on it.
    include: dialect === 'keepalived' ? 'includea' : 'include',
  })
}

/** DPVS wants each address by itself, with its port of DPDK. */
function localLines(dialect: Dialect, cluster: Cluster, lb: Lb): string[] {
  const ranges = localRangesOf(lb)
  if (dialect === 'alibaba') return ranges.flatMap(rangeTexts)
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => `${toAddress(first + index)} ${cluster.device}`),
  )
}

/** The file of a VIP: the same on every balancer of one dialect. `hosts` are the addresses of its WS, in their order. */
export function renderVip(
  templates: LvsTemplates,
  dialect: Dialect,
  vip: Vip,
  hosts: readonly string[],
): string {
  const services = portsOf(vip).map(port => ({
    sport: port.sport,
    dport: port.dport,
    group: groupOf(vip, port),
    head: headOf(dialect, vip, port),
    // Once for all hosts: they are the most of what is written.
    check: checkOf(dialect, port)
      .map(line => `        ${line}\n`)
      .join(''),
  }))
  return fill(templates, 'keepalived/vip.conf.eta', { vip: vip.vip, hosts, services })
}

/** Kept as it always was, `<vip>_<sport>`: a group of another name tears its service down. */
const groupOf = (vip: Vip, { sport, protocol }: WholePort): string =>
  `${vip.vip}_${sport}${protocol === 'udp' ? '_udp' : ''}`

function headOf(dialect: Dialect, vip: Vip, port: WholePort): string[] {
  const kind = kindOf(vip)
  const fnat = kind === 'FNAT'
  const { protocol, sport, persistence_timeout: persistence } = port
  return [
    'delay_loop 6',
    ...schedulerOf(dialect, vip),
    `lb_kind ${kind}`,
    `protocol ${protocol.toUpperCase()}`,
    // 0 is not a number of seconds to any of the dialects: none is said by saying nothing.
    ...(persistence > 0 ? [`persistence_timeout ${persistence}`] : []),
    ...(fnat && protocol === 'tcp' && port.synproxy === 1 ? ['syn_proxy'] : []),
    ...(fnat ? ['laddr_group_name laddr_g1'] : []),
    'alpha',
    'omega',
    'quorum 1',
    'hysteresis 0',
    ...(dialect === 'alibaba'
      ? ['vip_bind_dev lo']
      : ['up', 'down'].map(way => `quorum_${way} "${VIPCTL} ${way} ${vip.vip} ${protocol} ${sport}"`)),
  ]
}

function schedulerOf(dialect: Dialect, vip: Vip): string[] {
  const scheduler = vip.scheduler ?? 'wrr'
  return scheduler === 'mh' && dialect === 'keepalived'
    ? ['lb_algo mh', 'mh-port', 'mh-fallback']
    : [`lb_algo ${scheduler}`]
}

function checkOf(dialect: Dialect, { dport, protocol, check }: WholePort): string[] {
  const connect = [`    connect_port ${dport}`, '    connect_timeout 3']
  if (protocol === 'udp') return ['UDP_CHECK {', ...connect, '}']
  if (check === 'tcp') return ['TCP_CHECK {', ...connect, '}']
  return [
    `${check === 'http' ? 'HTTP_GET' : 'SSL_GET'} {`,
    '    url {',
    '        path /',
    '        status_code 200',
    '    }',
    ...connect,
    `    ${dialect === 'keepalived' ? 'retry' : 'nb_get_retry'} 2`,
    '    delay_before_retry 2',
    '}',
  ]
}

/** The script that keeps a VIP where its services have quorum; the alibaba dialect does that itself. */
export function renderVipctl(templates: LvsTemplates, cluster: Cluster, lb: Lb): string | null {
  const dialect = dialectOf(lb)
  if (dialect === 'alibaba') return null
  const { add, del } = dialect === 'dpvs' ? dpvsMoves(cluster.device) : LO_MOVES
  return fill(templates, 'keepalived/vipctl.sh.eta', { markers: MARKERS, add, del })
}

const LO_MOVES = {
  // After a start of the machine nothing translates sources, and keepalived is the first that needs it.
  add: [`[ ! -x ${PROGRAM} ] || ${PROGRAM} sources`, 'ip addr replace "$vip/32" dev lo'],
  del: ['ip addr del "$vip/32" dev lo 2>/dev/null || [ -z "$(ip -o addr show dev lo to "$vip/32")" ]'],
}

/** Under DPDK the packets come in on its port, and OSPF sees the kernel's twin of it. */
const dpvsMoves = (port: string) => ({
  add: [`dpip addr add "$vip/32" dev ${port} || true`, `ip addr replace "$vip/32" dev ${twinOf(port)}`],
  del: [`dpip addr del "$vip/32" dev ${port} || true`, `ip addr del "$vip/32" dev ${twinOf(port)} || true`],
})
