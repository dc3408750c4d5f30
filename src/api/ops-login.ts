const TEXT = {
  en: {
    title: 'Lazarus operations',
    label: 'Token with the scope "ops"',
    enter: 'Sign in',
    hint: 'Create one: lazarus token create ops --scope ops',
    wrong: 'This token is unknown, expired, revoked, or lacks the scope "ops".',
    many: 'Too many failed logins from your address. Wait a minute.',
    other: '<a lang="zh" href="?lang=zh">中文</a>',
  },
  zh: {
    title: 'Lazarus 运维',
    label: '具有 “ops” 权限的令牌',
    enter: '登录',
    hint: '创建令牌：lazarus token create ops --scope ops',
    wrong: '令牌不存在、已过期、已吊销，或缺少 “ops” 权限。',
    many: '来自该地址的失败登录过多，请等待一分钟。',
    other: '<a lang="en" href="?lang=en">English</a>',
  },
} as const

export type Language = keyof typeof TEXT

/** The language for a visitor: what was asked for, else what the browser prefers, else English. */
export function languageOf(asked: unknown, accepted: string | undefined): Language {
  if (asked === 'zh' || asked === 'en') return asked
  return accepted?.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:100vh;margin:0;background:#f5f6f8;color:#1c2430}
form{background:#fff;padding:2rem;border-radius:12px;box-shadow:0 2px 16px #0002;width:min(22rem,80vw)}
h1{font-size:1.2rem;margin:0 0 1rem}label{display:block;font-size:.9rem}
input,button{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;border-radius:8px;border:1px solid #b8c0cc;margin:.4rem 0}
button{background:#1f5fbf;color:#fff;border:0;cursor:pointer}.hint{font-size:.8rem;color:#5b6675}.error{color:#b3261e}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#e6e9ee}form{background:#1c222b}input{background:#12161c;color:inherit}.error{color:#ff8a80}}`

/** The login page: no script, nothing from elsewhere, and nothing in it that a visitor wrote. */
export function loginPage(language: Language, error?: 'wrong' | 'many'): string {
  const text = TEXT[language]
  return `<!doctype html>
<html lang="${language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text.title}</title><style>${STYLE}</style></head>
<body><form method="post" action="/ops/login?lang=${language}"><h1>${text.title}</h1>
${error ? `<p class="error" role="alert">${text[error]}</p>` : ''}
<label for="token">${text.label}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button type="submit">${text.enter}</button>
<p class="hint">${text.hint}</p><p class="hint">${text.other}</p></form></body></html>`
}
