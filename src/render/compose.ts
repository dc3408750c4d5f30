import { z } from 'zod'
import { imageSchema } from './values.js'

/** Where everything of ours lies on a machine, and inside the container as well. */
export const EDGE_ROOT = '/opt/lazarus'

/** The image of an edge unless the settings name another: pinned, since its nginx runs our Lua. */
export const EDGE_IMAGE = 'openresty/openresty:1.27.1.2-3-bookworm-fat'

const composeSchema = z.object({ image: imageSchema })

/** The machine's `docker-compose.yml` as JSON, which is YAML: one service `edge`. Throws a `ZodError`. */
export function renderCompose(input: z.input<typeof composeSchema>): string {
  const { image } = composeSchema.parse(input)
  const edge = {
    image,
    network_mode: 'host',
    restart: 'unless-stopped',
    volumes: [`${EDGE_ROOT}:${EDGE_ROOT}`],
    command: ['nginx', '-p', `${EDGE_ROOT}/nginx/`, '-c', 'nginx.conf', '-g', 'daemon off;'],
  }
  return `${JSON.stringify({ services: { edge } }, null, 2)}\n`
}
