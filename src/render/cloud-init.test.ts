import { expect, test } from 'vitest'
import { renderCloudInit } from './cloud-init.js'

const machine = {
  hostname: 'edge-1',
  hostKeyPrivate: '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n',
  hostKeyPublic: 'ssh-ed25519 AAAAC3Nza',
  authorizedKeys: ['ssh-ed25519 AAAAB lazarus'],
}

test('is cloud-config whose body is JSON', () => {
  const [first, ...rest] = renderCloudInit(machine).split('\n')
  expect(first).toBe('#cloud-config')
  expect(JSON.parse(rest.join('\n'))).toEqual({
    hostname: 'edge-1',
    ssh_deletekeys: true,
    ssh_keys: { ed25519_private: machine.hostKeyPrivate, ed25519_public: machine.hostKeyPublic },
    disable_root: false,
    users: [{ name: 'root', ssh_authorized_keys: machine.authorizedKeys }],
  })
})

test.each([
  { hostname: 'edge 1' },
  { hostname: 'a\nb' },
  { hostKeyPrivate: 'not a key' },
  { hostKeyPublic: 'ssh-rsa AAAA' },
  { authorizedKeys: [] },
  { authorizedKeys: ['ssh-ed25519 AAAA\nssh-ed25519 BBBB'] },
  { authorizedKeys: ['command="id" ssh-ed25519 AAAA'] },
])('refuses %j', change => expect(() => renderCloudInit({ ...machine, ...change })).toThrow())

test('an error does not show the private key', () => {
  const broken = { ...machine, hostKeyPrivate: 'c2VjcmV0-key-material' }
  expect(() => renderCloudInit(broken)).toThrow(expect.not.stringContaining('c2VjcmV0'))
})
