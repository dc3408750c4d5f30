import { posix } from 'node:path'
import { z } from 'zod'
import { imageSchema } from './values.js'

/** Where everything of ours lies on a machine, and inside the containers as well. */
export const EDGE_ROOT = '/opt/lazarus'

/** The images of an edge unless the settings name others: pinned, since what runs must not change by itself. */
export const EDGE_IMAGE = 'openresty/openresty:1.27.1.2-3-bookworm-fat'
export const V2RAY_IMAGE = 'v2fly/v2fly-core:v5.41.0'
export const REDIS_IMAGE = 'redis:7.2-bookworm'

/** Where the edge's own Redis listens: loopback, for nginx alone. */
export const REDIS = { host: '127.0.0.1', port: 6379 } as const

// Everything is www-data's, by number, since not every image knows the name. The files on the machine are as well.
const UNPRIVILEGED = '33:33'

/**
 * The words before nginx's own: all of it runs as `www-data`, master included, so that the agent in a worker may signal
 * the master; of root's rights it keeps the one to listen on ports below 1024.
 */
const AS_WWW_DATA = [
  'setpriv',
  ...['--reuid', 'www-data', '--regid', 'www-data', '--clear-groups'],
  ...['--inh-caps', '+net_bind_service', '--ambient-caps', '+net_bind_service'],
]

const composeSchema = z.object({ image: imageSchema })

/** What Redis is configured by: the file for what may be in no argument, in a folder that its container cannot write. */
export const REDIS_CONF = `${EDGE_ROOT}/redis/conf/redis.conf`

/** The machine's `docker-compose.yml` as JSON, which is YAML: nginx, v2ray and Redis. Throws a `ZodError`. */
export function renderCompose(input: z.input<typeof composeSchema>): string {
  const { image } = composeSchema.parse(input)
  return `${JSON.stringify({ services: { edge: edge(image), v2ray, redis } }, null, 2)}\n`
}

/** What holds for all: the machine's own network, started again when they end, and logs that cannot fill the disk. */
const COMMON = {
  network_mode: 'host',
  restart: 'unless-stopped',
  logging: { driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } },
}

const edge = (image: string) => ({
  image,
  ...COMMON,
  cap_drop: ['ALL'],
  // To become www-data, and for the ports.
  cap_add: ['SETUID', 'SETGID', 'NET_BIND_SERVICE'],
  security_opt: ['no-new-privileges:true'],
  environment: { REDIS_HOST: REDIS.host, REDIS_PORT: String(REDIS.port) },
  volumes: [`${EDGE_ROOT}:${EDGE_ROOT}`],
  command: [...AS_WWW_DATA, 'nginx', '-p', `${EDGE_ROOT}/nginx/`, '-c', 'nginx.conf', '-g', 'daemon off;'],
})

/** A container that may do nothing but what its user may, and write nowhere but into its volumes. */
const CONFINED = {
  user: UNPRIVILEGED,
  read_only: true,
  cap_drop: ['ALL'],
  security_opt: ['no-new-privileges:true'],
}

const v2ray = {
  image: V2RAY_IMAGE,
  ...COMMON,
  ...CONFINED,
  volumes: [`${EDGE_ROOT}/v2ray:${EDGE_ROOT}/v2ray:ro`],
  entrypoint: ['v2ray'],
  command: ['run', '-c', `${EDGE_ROOT}/v2ray/config.json`],
}

const redis = {
  image: REDIS_IMAGE,
  ...COMMON,
  ...CONFINED,
  volumes: [
    `${EDGE_ROOT}/redis:${EDGE_ROOT}/redis`,
    `${posix.dirname(REDIS_CONF)}:${posix.dirname(REDIS_CONF)}:ro`,
  ],
  entrypoint: ['redis-server'],
  command: [
    REDIS_CONF,
    ...['--bind', REDIS.host, '--port', String(REDIS.port), '--dir', `${EDGE_ROOT}/redis`],
    // Counters that were evicted would let people use more than they may.
    ...['--appendonly', 'yes', '--maxmemory', '64mb', '--maxmemory-policy', 'noeviction'],
  ],
}
