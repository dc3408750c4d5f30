import { describe, expect, test } from 'vitest'
import { EDGE_IMAGE, renderCompose } from './compose.js'

interface Service {
  image: string
  command: string[]
  volumes: string[]
  [key: string]: unknown
}
const { services } = JSON.parse(renderCompose({ image: EDGE_IMAGE })) as {
  services: Record<'edge' | 'v2ray' | 'redis', Service>
}

test('S0-8: nginx, v2ray and Redis are containers, each from an image of one version', () => {
  expect(Object.keys(services)).toEqual(['edge', 'v2ray', 'redis'])
  for (const { image } of Object.values(services)) expect(image).toMatch(/:v?\d+\.\d+/)
  expect(() => renderCompose({ image: 'openresty/openresty' })).toThrow('tag')
})

test('S0-20: whatever ends is started again', () => {
  for (const service of Object.values(services)) expect(service).toMatchObject({ restart: 'unless-stopped' })
})

test('no container can fill the disk with what it says', () => {
  for (const service of Object.values(services))
    expect(service).toMatchObject({ logging: { options: { 'max-size': '10m', 'max-file': '3' } } })
})

test('all of them are on the network of the machine, with the same paths inside', () => {
  for (const { network_mode, volumes } of Object.values(services)) {
    expect(network_mode).toBe('host')
    for (const volume of volumes) expect(volume).toMatch(/^(\/opt\/lazarus[^:]*):\1(:ro)?$/)
  }
})

describe('who may do what', () => {
  test('nginx is www-data from the first process on, and may listen on ports below 1024', () => {
    expect(services.edge.command.join(' ')).toBe(
      'setpriv --reuid www-data --regid www-data --clear-groups --inh-caps +net_bind_service ' +
        '--ambient-caps +net_bind_service nginx -p /opt/lazarus/nginx/ -c nginx.conf -g daemon off;',
    )
  })

  test('v2ray and Redis have no rights, and see nothing but their own folder', () => {
    const confined = { user: '33:33', read_only: true, cap_drop: ['ALL'] }
    expect(services.v2ray).toMatchObject({ ...confined, volumes: [expect.stringMatching(/v2ray:ro$/)] })
    expect(services.redis).toMatchObject({
      ...confined,
      volumes: [expect.stringMatching(/redis$/), '/opt/lazarus/redis/conf:/opt/lazarus/redis/conf:ro'],
    })
  })

  test('Redis is for this machine alone, keeps what it was told and never evicts; nginx knows where it is', () => {
    const words = services.redis.command.join(' ')
    expect(words).toMatch(/^\/opt\/lazarus\/redis\/conf\/redis\.conf --bind/)
    expect(words).toContain('--bind 127.0.0.1 --port 6379')
    expect(words).toContain('--appendonly yes --maxmemory 64mb --maxmemory-policy noeviction')
    expect(services.edge.environment).toEqual({ REDIS_HOST: '127.0.0.1', REDIS_PORT: '6379' })
  })
})
