type Json = Record<string, unknown>

interface Operation {
  summary: string
  description?: string
  tags: string[]
  parameters?: { name: string; in: string; required: boolean; schema: Json; description?: string }[]
  requestBody?: { content: Record<string, { schema?: Json }> }
  responses: Record<string, { description: string; content?: Record<string, { schema?: Json }> }>
}

const STYLE = `
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
summary{cursor:pointer;padding:.4rem 0}code,pre{font-family:ui-monospace,monospace;font-size:.85rem}
pre{background:#f2f4f7;padding:.8rem;border-radius:8px;overflow:auto}table{border-collapse:collapse}
td{padding:.15rem .8rem .15rem 0;vertical-align:top}h2{text-transform:capitalize;border-bottom:1px solid #d5dae2}
b{display:inline-block;width:4.5rem;text-transform:uppercase;font-size:.8rem;color:#1f5fbf}
@media(prefers-color-scheme:dark){body{background:#12161c;color:#e6e9ee}pre{background:#1c222b}b{color:#8ab4ff}}`

const html = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** The OpenAPI document as one page for people: plain HTML, no script, nothing from elsewhere. */
export function docsPage(document: Json): string {
  const byTag = new Map<string, string[]>()
  for (const [path, methods] of Object.entries(document.paths as Record<string, Record<string, Operation>>)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0] ?? ''
      byTag.set(tag, [...(byTag.get(tag) ?? []), section(method, path, operation)])
    }
  }
  const body = [...byTag].map(([tag, sections]) => `<h2>${html(tag)}</h2>${sections.join('')}`).join('')
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Lazarus API</title><style>${STYLE}</style></head><body><h1>Lazarus API</h1>
<p>Send <code>Authorization: Bearer &lt;token&gt;</code>. The same as a document for programs:
<a href="/openapi.json">openapi.json</a>. Errors are <code>application/problem+json</code>.</p>${body}</body></html>`
}

function section(method: string, path: string, operation: Operation): string {
  const parameters = operation.parameters ?? []
  return `<details><summary><b>${html(method)}</b><code>${html(path)}</code> ${html(operation.summary)}</summary>
${operation.description ? `<p>${html(operation.description)}</p>` : ''}
${parameters.length > 0 ? `<table>${parameters.map(parameterRow).join('')}</table>` : ''}
${contentBlocks('Body', operation.requestBody?.content)}
${Object.entries(operation.responses)
  .map(([status, answer]) => answerBlock(status, answer))
  .join('')}</details>`
}

const parameterRow = (parameter: NonNullable<Operation['parameters']>[number]): string =>
  `<tr><td><code>${html(parameter.name)}</code></td><td>${html(parameter.in)}${parameter.required ? ', required' : ''}</td>
<td><code>${html(JSON.stringify(parameter.schema))}</code></td></tr>`

const answerBlock = (status: string, answer: Operation['responses'][string]): string =>
  `<p>${html(status)}: ${html(answer.description)}</p>${/^2/.test(status) ? contentBlocks('', answer.content) : ''}`

const contentBlocks = (title: string, content: Record<string, { schema?: Json }> | undefined): string =>
  Object.values(content ?? {})
    .filter(({ schema }) => schema)
    .map(({ schema }) => `<p>${title}</p><pre>${html(JSON.stringify(schema, null, 2))}</pre>`)
    .join('')
