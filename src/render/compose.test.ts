import { expect, test } from 'vitest'
import { EDGE_IMAGE, renderCompose } from './compose.js'

test('one service, on the network of the machine, with the same paths inside', () => {
  expect(JSON.parse(renderCompose({ image: EDGE_IMAGE }))).toEqual({
    services: {
      edge: {
        image: EDGE_IMAGE,
        network_mode: 'host',
        restart: 'unless-stopped',
        volumes: ['/opt/lazarus:/opt/lazarus'],
        command: ['nginx', '-p', '/opt/lazarus/nginx/', '-c', 'nginx.conf', '-g', 'daemon off;'],
      },
    },
  })
})

test('an image without a tag is refused: what runs must not change by itself', () => {
  expect(() => renderCompose({ image: 'openresty/openresty' })).toThrow('tag')
})
