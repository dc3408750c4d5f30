/** Languages that the demo speaks. */
export type DemoLanguage = 'en' | 'zh'

const EN = {
  title: 'Lazarus: three edge machines from one call, one of them killed and brought back.',
  starting: 'Starting the control plane, a Redis and a sandbox cloud on free ports ...',
  compute: (how: string) => `Machines are bought through: ${how}`,
  addresses: (api: string) => `API ${api}   API documentation ${api}/docs   Bull Board ${api}/ops/queues`,
  token: (token: string) => `Admin token (also the key to Bull Board): ${token}`,
  raising: (count: number) => `\n1. One call raises ${count} machines:`,
  valid: '\n2. A request with a valid token passes the gate of every machine:',
  expired: '\n3. The same request with an expired token is turned away:',
  tunnels: (node: string) =>
    `\n4. Real v2ray clients go out through ${node}, until their quota or their end cuts them off:`,
  imported: (name: string) => `   ${name} imports the link of the subscription:`,
  quota: (megabytes: number) => `   a plan of ${megabytes} MB, and a download that goes on and on:`,
  end: '   no limits, but the subscription is ended during a download:',
  cut: (seconds: string) => `   cut off after ${seconds} s, and a new request is refused`,
  used: (megabytes: string) => `   the control plane counted ${megabytes} MB`,
  kill: (node: string) => `\n5. ${node} is killed, as a power cut would:`,
  noticed: (text: string, seconds: string) => `   noticed after ${seconds} s: ${text}`,
  resurrect: (run: string) => `\n6. Nobody has to do anything: run ${run} replaces it under the same name.`,
  renamed: (name: string, before: string, after: string) =>
    `\n7. The DNS says ${name} is ${after} now (it was ${before}), and it serves:`,
  summary: (seconds: number) =>
    `\nDone in ${seconds} s: 3 machines raised, valid token served, expired token denied, a tunnel carried traffic and was cut off, dead machine replaced.`,
  staying:
    'Everything keeps running. Open Bull Board and the API above; Ctrl-C ends it and leaves nothing behind.',
  ending: 'Taking everything down ...',
  ended: 'Nothing is left behind.',
}

export type DemoMessages = typeof EN

const ZH: DemoMessages = {
  title: 'Lazarus：一次调用拉起三台边缘机器，杀掉其中一台，再让它复活。',
  starting: '正在空闲端口上启动控制平面、Redis 和沙盒云……',
  compute: how => `购买机器的方式：${how}`,
  addresses: api => `API ${api}   API 文档 ${api}/docs   Bull Board ${api}/ops/queues`,
  token: token => `管理员令牌（也用于登录 Bull Board）：${token}`,
  raising: count => `\n1. 一次调用拉起 ${count} 台机器：`,
  valid: '\n2. 携带有效令牌的请求可以通过每台机器的闸门：',
  expired: '\n3. 同样的请求，令牌已过期，被拒绝：',
  tunnels: node => `\n4. 真正的 v2ray 客户端经由 ${node} 上网，直到流量用完或订阅到期被切断：`,
  imported: name => `   ${name} 导入订阅链接：`,
  quota: megabytes => `   套餐只有 ${megabytes} MB，而下载没有尽头：`,
  end: '   没有流量限制，但在下载过程中订阅到期：',
  cut: seconds => `   ${seconds} 秒后被切断，新的请求也被拒绝`,
  used: megabytes => `   控制平面已计流量 ${megabytes} MB`,
  kill: node => `\n5. 杀掉 ${node}，就像断电一样：`,
  noticed: (text, seconds) => `   ${seconds} 秒后发现：${text}`,
  resurrect: run => `\n6. 无需人工操作：运行 ${run} 用新机器顶替它，名字不变。`,
  renamed: (name, before, after) =>
    `\n7. DNS 中 ${name} 现在指向 ${after}（之前是 ${before}），并且可以访问：`,
  summary: seconds =>
    `\n完成，用时 ${seconds} 秒：拉起 3 台机器，有效令牌放行，过期令牌拒绝，隧道可用并能及时切断，死掉的机器已被替换。`,
  staying: '一切继续运行。可以打开上面的 Bull Board 和 API；按 Ctrl-C 结束，不留任何残余。',
  ending: '正在清理……',
  ended: '没有留下任何残余。',
}

/** What the demo says, in one language. */
export const demoMessages = (language: DemoLanguage): DemoMessages => ({ en: EN, zh: ZH })[language]
