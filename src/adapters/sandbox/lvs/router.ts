import { ROUTER_ID } from './addresses.js'
import type { Balancer } from './balancer.js'
import type { Stage } from './stage.js'

const FRR = '/usr/lib/frr'

/** The router in front of the balancers: FRR, which spreads a VIP over all that announce it. */
export class Router {
  constructor(private readonly stage: Stage) {}

  /** Starts it, with an OSPF neighbour awaited at each of these balancers. */
  async start(balancers: readonly Balancer[], ospfKey: string): Promise<void> {
    await this.stage.run(['tee', '/etc/frr/frr.conf'], undefined, configuration(balancers, ospfKey))
    for (const daemon of ['zebra', 'ospfd'])
      await this.stage.run([`${FRR}/${daemon}`, '-d', '-A', '127.0.0.1'])
    await this.stage.run(['vtysh', '-b'])
  }

  /** Runs a command on it and returns what it printed. Throws when it fails. */
  run(argv: readonly string[]): Promise<string> {
    return this.stage.run(argv)
  }

  /** How one asks it for its route to an address. */
  routeCommand(address: string): string[] {
    return ['ip', 'route', 'show', 'proto', 'ospf', `${address}/32`]
  }

  /** Through which balancers it reaches a VIP: their outside addresses. */
  async nextHops(vip: string): Promise<string[]> {
    const routes = await this.stage.run(this.routeCommand(vip))
    return [...routes.matchAll(/via (\S+)/g)].map(match => match[1] ?? '').sort()
  }
}

// Without the objects that the kernel keeps for next hops: FRR 8 does not put one back whose link was down.
function configuration(balancers: readonly Balancer[], key: string): string {
  const interfaces = balancers.map(
    ({ name }) => `interface ${name}
 ip ospf area 0.0.0.0
 ip ospf authentication message-digest
 ip ospf message-digest-key 8 md5 ${key}
 ip ospf network point-to-point
 ip ospf hello-interval 3
 ip ospf dead-interval 12
 ip ospf cost 15
exit
`,
  )
  return `frr defaults traditional
hostname router
log file /run/frr/router.log
no zebra nexthop kernel enable
${interfaces.join('')}router ospf
 ospf router-id ${ROUTER_ID}
 timers throttle spf 10 50 500
 timers throttle lsa all 100
 timers lsa min-arrival 100
 maximum-paths 16
exit
`
}
