import { expect, test } from 'vitest'
import { renderCloudInit } from '../../../render/cloud-init.js'
import { readUserData } from './cloud-init.js'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2Yl1d3kS8t2VZtXwQ4zJt0n1QJ3Kf8oQmZb3mH0abc me'
const PEM = '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'

test('what the control plane renders is what a machine takes', () => {
  const userData = renderCloudInit({
    hostname: 'edge-1',
    hostKeyPrivate: PEM,
    hostKeyPublic: KEY,
    authorizedKeys: [KEY],
  })
  expect(readUserData(userData)).toEqual({
    hostname: 'edge-1',
    hostKey: { private: PEM, public: KEY },
    authorizedKeys: [KEY],
  })
})

test('no user data is fine, and what is not understood is told from it', () => {
  expect(readUserData(null)).toEqual({ hostname: null, hostKey: null, authorizedKeys: [] })
  expect(readUserData('#!/bin/sh\nreboot\n')).toBeNull()
  expect(readUserData('#cloud-config\nhostname: x\n')).toBeNull()
})

test('a host name that would break out of a file, and keys of two lines, are not taken', () => {
  expect(readUserData('#cloud-config\n{"hostname":"a\\nb"}')).toBeNull()
  expect(
    readUserData(`#cloud-config\n${JSON.stringify({ ssh_authorized_keys: ['a\nb', KEY] })}`),
  ).toMatchObject({
    authorizedKeys: [KEY],
  })
})
