import { z } from 'zod'
import { FORMATS } from '../render/subscriptions/formats.js'
import { accessQuery } from './agent-access.js'
import { sessionsSchema, telemetrySchema, usageSchema } from './agent-report-schemas.js'
import { ackSchema, beatSchema, enrolSchema, registerSchema } from './agent-schemas.js'
import { MEDIA_PATH, mediaAckSchema, mediaConfigView, mediaVersionView, versionQuery } from './media-slave.js'
import type { AnyRoute } from './route.js'
import { apiRoutes } from './routes.js'
import { SCOPES } from './scopes.js'

type Json = Record<string, unknown>

/** A problem document as in RFC 9457; every error is one. */
const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string().describe('stable word for machines'),
  detail: z.string().describe('what is wrong and the way on'),
  errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  requestId: z.string(),
})

const toSchema = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest
}
const jsonContent = (schema: z.ZodType, io: 'input' | 'output') => ({
  'application/json': { schema: toSchema(schema, io) },
})
const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
})

/** The OpenAPI 3.1 document of the whole API, made from the same values that serve it. Needs no server. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {}
  for (const route of apiRoutes) {
    const path = `/api/v1${route.path}`
    paths[path] = { ...paths[path], [route.method]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Lazarus',
      version: '1',
      description: 'Raises a fleet of edge machines from one call, keeps it configured, replaces what dies.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths: { ...paths, ...agentPaths(), ...mediaPaths(), ...plainPaths() },
    components: {
      schemas: { Problem: toSchema(problemSchema, 'output') },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: `Scopes: ${Object.keys(SCOPES).join(', ')}` },
        agent: { type: 'http', scheme: 'bearer', description: 'The key that an agent got by enrolling.' },
        host: { type: 'http', scheme: 'bearer', description: 'The token of a server entry.' },
      },
    },
  }
}

function operation(route: AnyRoute): Json {
  const { answer } = route
  const content =
    answer.schema !== undefined
      ? { content: jsonContent(answer.schema, 'output') }
      : answer.type
        ? { content: { [answer.type]: {} } }
        : {}
  return {
    operationId: operationId(route),
    tags: [route.tag],
    summary: route.summary,
    description: `Needs a token with the scope \`${route.scope}\`.${route.origin ? ` ${ORIGIN_FORM}` : ''}`,
    parameters: [...listed(route.params, 'path'), ...listed(route.query, 'query'), ...keyOf(route)],
    ...(route.body && {
      requestBody: {
        required: !route.origin,
        content: { ...jsonContent(route.body, 'input'), ...(route.origin && formContent(route.body)) },
      },
    }),
    responses: {
      ...(route.preview && {
        200: {
          description: 'dryRun=true: what would be done',
          content: jsonContent(route.preview, 'output'),
        },
      }),
      [answer.status]: { description: answer.text, ...content },
      ...refusals(route),
    },
  }
}

const ORIGIN_FORM =
  'Arguments may also come in the query. A refusal is answered with 200 and "failed", unless the body is JSON or the caller accepts application/problem+json.'

/** The same fields as a form; lists and objects in it are text in JSON. */
function formContent(body: z.ZodObject): Json {
  const schema = toSchema(body, 'input') as { properties?: Record<string, Json> }
  const encoding = Object.entries(schema.properties ?? {})
    .filter(([, { type }]) => type === 'array' || type === 'object')
    .map(([name]) => [name, { contentType: 'application/json' }])
  return { 'application/x-www-form-urlencoded': { schema, encoding: Object.fromEntries(encoding) } }
}

/** `POST /pools/{name}/scale-out` is `postPoolsByNameScaleOut`. */
function operationId({ method, path }: AnyRoute): string {
  const words = path.replaceAll(/\{(\w+)\}/g, 'by-$1').split(/[/-]/)
  return method + words.map(word => word.charAt(0).toUpperCase() + word.slice(1)).join('')
}

function refusals(route: AnyRoute): Json {
  const change = route.action !== undefined
  return {
    401: problem('no valid token'),
    403: problem('the token lacks the scope'),
    ...(route.params && { 404: problem('there is none of that name') }),
    ...(change && { 409: problem('another run or request is in the way') }),
    ...(route.body || route.query
      ? { 422: problem('a field is wrong; "errors" names each with the fix') }
      : {}),
    ...(answerStarts(route) && { 503: problem('Redis is away: nothing was started') }),
    default: problem('anything else'),
  }
}

const answerStarts = (route: AnyRoute): boolean => route.answer.status === 202

function listed(schema: z.ZodObject | undefined, place: 'path' | 'query'): Json[] {
  if (!schema) return []
  const { properties = {}, required = [] } = toSchema(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: property,
  }))
}

function keyOf(route: AnyRoute): Json[] {
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'Repeating the request with the same key gives the first answer and no second effect.',
    schema: { type: 'string', maxLength: 255 },
  }
  return route.action === undefined ? [] : [key]
}

/** The protocol of the agents, served apart from the routes for people. */
function agentPaths(): Record<string, Json> {
  const ok = (schema: z.ZodType, description: string) => ({
    200: { description, content: jsonContent(schema, 'output') },
  })
  const entry = (summary: string, responses: Json, body?: z.ZodType, security: Json[] = [{ agent: [] }]) => ({
    tags: ['agent'],
    summary,
    security,
    ...(body && { requestBody: { required: true, content: jsonContent(body, 'input') } }),
    responses: { ...responses, default: problem('refused') },
  })
  const version = z.string().nullable()
  const log = {
    list: z.string().describe('id of the list'),
    seq: z.int().describe('number of its last change'),
  }
  const entry4 = z.tuple([z.string(), z.int(), z.int(), z.enum(['ok', 'off', 'over'])])
  const access = z
    .record(z.string(), entry4.nullable())
    .describe(
      'SHA-256 of a token -> [user, end (epoch seconds, 0: none), devices (0: any number), state]; null: gone',
    )
  const news = z.object({ ...log, from: z.int().optional(), full: z.boolean(), access })
  const config = z.looseObject({ version: z.string() })
  const elsewhere = z
    .record(z.string(), z.array(z.tuple([z.string(), z.int()])))
    .describe('user -> [device, since (epoch seconds)] on other nodes')
  const key = z.object({ key: z.string() })
  const pace = z.object({ heartbeatInterval: z.number().describe('seconds'), missedBeats: z.int() })
  const last = ok(z.object({ seq: z.int() }), 'the last batch of this stream that is counted')
  const beat = ok(z.object({ configVersion: version, access: z.object(log) }), 'what the node should have')
  const base = '/api/v1/agent'
  return {
    [`${base}/enrol`]: {
      post: entry('Trades a one-time token for a key.', ok(key, 'the key'), enrolSchema, []),
    },
    [`${base}/register`]: { post: entry('Begins to beat.', ok(pace, 'how often to beat'), registerSchema) },
    [`${base}/heartbeat`]: { post: entry('A beat; answered once it is queued.', beat, beatSchema) },
    [`${base}/access`]: {
      get: {
        ...entry(
          'Who may pass: what changed since a number, or all.',
          ok(news, 'the changes, or the whole list'),
        ),
        parameters: listed(accessQuery, 'query'),
      },
    },
    [`${base}/config`]: {
      get: entry('The configuration of the node.', ok(config, 'the configuration')),
    },
    [`${base}/ack`]: {
      post: entry('Whether a configuration was applied.', { 204: { description: 'noted' } }, ackSchema),
    },
    [`${base}/usage`]: { post: entry('What users used; counted once.', last, usageSchema) },
    [`${base}/sessions`]: {
      post: entry('All live sessions of the node.', ok(z.object({ elsewhere }), 'others'), sessionsSchema),
    },
    [`${base}/telemetry`]: { post: entry('What passed and what was refused.', last, telemetrySchema) },
  }
}

/** The protocol of media hosts, which pull. */
function mediaPaths(): Record<string, Json> {
  const entry = (summary: string, answer: z.ZodType) => ({
    tags: ['media'],
    summary,
    security: [{ host: [] }],
    responses: {
      200: { description: summary, content: jsonContent(answer, 'output') },
      401: problem('no valid token'),
      403: problem('the token is not of a server entry, or the entry is disabled'),
      default: problem('anything else'),
    },
  })
  const ack = entry('What became of it on the host.', z.object({ ok: z.literal(true) }))
  return {
    [`${MEDIA_PATH}/config/version`]: {
      get: {
        ...entry('Whether there is something newer than what the host has.', mediaVersionView),
        parameters: listed(versionQuery, 'query'),
      },
    },
    [`${MEDIA_PATH}/config`]: {
      get: entry('Everything for the host: all entries of its service, merged.', mediaConfigView),
    },
    [`${MEDIA_PATH}/ack`]: {
      post: { ...ack, requestBody: { required: true, content: jsonContent(mediaAckSchema, 'input') } },
    },
  }
}

function plainPaths(): Record<string, Json> {
  const entry = (summary: string, ...statuses: number[]) => ({
    get: {
      tags: ['health'],
      summary,
      security: [],
      responses: Object.fromEntries(statuses.map(status => [status, { description: summary }])),
    },
  })
  return {
    '/sub/{token}': {
      get: {
        ...{ tags: ['users'], security: [] },
        summary: 'What the client of a user imports, or the page of usage for a browser.',
        parameters: [
          { name: 'token', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'format', in: 'query', schema: { enum: ['html', ...Object.keys(FORMATS)] } },
        ],
        responses: {
          200: { description: 'by format or User-Agent; usage and end in Subscription-Userinfo' },
          404: { description: 'no such token; nothing else is said' },
          429: problem('too many tokens that do not exist'),
        },
      },
    },
    '/healthz': entry('The process answers.', 200),
    '/readyz': entry('Database and Redis answer too.', 200, 503),
    '/metrics': entry('Numbers for Prometheus; from elsewhere than this machine with a token.', 200, 401),
  }
}
