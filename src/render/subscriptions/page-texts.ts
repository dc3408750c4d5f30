/** Languages of the page for users. */
export type PageLanguage = 'en' | 'zh'

const EN = {
  title: 'Your subscription',
  ok: 'Active',
  off: 'Disabled',
  ended: 'Expired',
  over: 'Traffic used up',
  used: 'Used',
  of: 'of',
  noLimit: 'no limit',
  up: 'up',
  down: 'down',
  until: 'Valid until',
  noEnd: 'no end',
  nodes: 'Nodes',
  link: 'Your link',
  linkHelp: 'Paste it into your client as a subscription, or scan it. Whoever has it can use your traffic.',
  copy: 'Copy',
  copied: 'Copied',
  formats: 'For clients that do not say what they are',
}

const ZH: typeof EN = {
  title: '您的订阅',
  ok: '正常',
  off: '已停用',
  ended: '已到期',
  over: '流量已用完',
  used: '已用',
  of: '/',
  noLimit: '不限',
  up: '上传',
  down: '下载',
  until: '有效期至',
  noEnd: '长期有效',
  nodes: '节点',
  link: '您的链接',
  linkHelp: '在客户端中添加为订阅，或扫描二维码。拿到此链接的人都能使用您的流量。',
  copy: '复制',
  copied: '已复制',
  formats: '客户端无法自动识别时使用',
}

/** What the page says. */
export const pageTexts = (language: PageLanguage): typeof EN => (language === 'zh' ? ZH : EN)
