import type { DemoLanguage } from './demo-messages.js'

const EN = {
  title: 'Lazarus: a cluster of load balancers comes up, loses one, takes a bad change back and rolls back.',
  starting: 'Starting the control plane, a Redis and a sandbox cloud on free ports ...',
  booting: (balancers: number, hosts: number) =>
    `Booting ${balancers} balancers (each a Linux of its own with IPVS, keepalived and FRR), a router, ${hosts} nginx hosts and a client ...`,
  unavailable: (why: string) => `This demo cannot run here: ${why}`,
  addresses: (api: string) => `API ${api}   API documentation ${api}/docs`,
  token: (token: string) => `Admin token: ${token}`,
  creating: '\n1. One call makes the cluster; its files lie on the balancers, and nothing is reloaded yet:',
  syncing: '\n2. The balancers read them, one after the other, each only when the other is well:',
  routes: '\n3. The router has two ways to the VIP, IPVS has the hosts, and a client is served:',
  killing: (name: string) => `\n4. ${name} loses its power:`,
  failedOver: (seconds: string) =>
    `   after ${seconds} s the router has one way left, and the client is served:`,
  returned: (name: string) => `   ${name} has power again, with what it had:`,
  breaking:
    '\n5. A change that no rule can know to be bad: the hosts of a new VIP do not answer on that port:',
  reverted: (name: string, why: string) => `   ${name} took itself back, the others were not touched: ${why}`,
  lost: (count: number, total: number) => `   of ${total} requests meanwhile, ${count} were lost`,
  rollback: '\n6. Rollback: the state before, written anew and brought to the balancers:',
  draining: (host: string) => `\n7. ${host} is drained while a client loads pages and slow downloads:`,
  summary: (seconds: number) =>
    `\nDone in ${seconds} s: two balancers served, one was lost and not missed, a bad change took itself back, a rollback, a drain without a lost request.`,
  staying: 'Everything keeps running; open the API above. Ctrl-C ends it and leaves nothing behind.',
}

export type LvsMessages = typeof EN

const ZH: LvsMessages = {
  title: 'Lazarus：负载均衡集群上线，失去一台，自动撤回错误的变更，再回滚。',
  starting: '正在空闲端口上启动控制平面、Redis 和沙盒云……',
  booting: (balancers, hosts) =>
    `正在启动 ${balancers} 台均衡器（各自运行独立的 Linux，带 IPVS、keepalived 和 FRR）、一台路由器、${hosts} 台 nginx 主机和一个客户端……`,
  unavailable: why => `此演示无法在这里运行：${why}`,
  addresses: api => `API ${api}   API 文档 ${api}/docs`,
  token: token => `管理员令牌：${token}`,
  creating: '\n1. 一次调用创建集群；文件已放到均衡器上，尚未重载：',
  syncing: '\n2. 均衡器逐台读取新配置，仅当另一台正常时才重载：',
  routes: '\n3. 路由器到 VIP 有两条路径，IPVS 里有主机，客户端得到服务：',
  killing: name => `\n4. ${name} 断电：`,
  failedOver: seconds => `   ${seconds} 秒后路由器只剩一条路径，客户端仍得到服务：`,
  returned: name => `   ${name} 恢复供电，配置仍在：`,
  breaking: '\n5. 一个任何规则都看不出问题的变更：新 VIP 的主机在该端口上没有响应：',
  reverted: (name, why) => `   ${name} 自动撤回，其他均衡器未受影响：${why}`,
  lost: (count, total) => `   期间 ${total} 个请求中丢失 ${count} 个`,
  rollback: '\n6. 回滚：把之前的状态重新写入并下发到均衡器：',
  draining: host => `\n7. 在客户端加载页面和慢速下载的同时排空 ${host}：`,
  summary: seconds =>
    `\n完成，用时 ${seconds} 秒：两台均衡器提供服务，断电一台无影响，错误变更自动撤回，完成回滚，排空期间没有丢失请求。`,
  staying: '一切继续运行，可以打开上面的 API；按 Ctrl-C 结束，不留任何残余。',
}

/** What the demo of load balancers says, in one language. */
export const lvsMessages = (language: DemoLanguage): LvsMessages => ({ en: EN, zh: ZH })[language]
