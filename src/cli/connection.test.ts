import { chmodSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { findConnection, writeClientFile } from './connection.js'

const nothing = { url: undefined, token: undefined }

test('the file that "up" left is found, and only its owner can read it', () => {
  const dataDir = tempDir()
  writeClientFile(dataDir, { url: 'http://127.0.0.1:1', token: 'old' })
  writeClientFile(dataDir, { url: 'http://127.0.0.1:2', token: 'secret' })
  expect(findConnection({ options: {}, environment: nothing, dataDir })).toEqual({
    url: 'http://127.0.0.1:2',
    token: 'secret',
  })
  expect(statSync(path.join(dataDir, 'client.json')).mode & 0o777).toBe(0o600)
})

test('options win over the environment, the environment over the file', () => {
  const dataDir = tempDir()
  writeClientFile(dataDir, { url: 'http://127.0.0.1:1', token: 'file' })
  const environment = { url: 'http://127.0.0.1:1/', token: 'env' }
  expect(findConnection({ options: {}, environment, dataDir })).toEqual({
    url: 'http://127.0.0.1:1',
    token: 'env',
  })
  expect(findConnection({ options: { token: 'option' }, environment, dataDir }).token).toBe('option')
})

test('a kept token is not sent to another address', () => {
  const dataDir = tempDir()
  writeClientFile(dataDir, { url: 'http://127.0.0.1:1', token: 'secret' })
  for (const url of ['http://127.0.0.1:12', 'https://127.0.0.1:1', 'http://evil.test:1'])
    expect(findConnection({ options: { url }, environment: nothing, dataDir }).token).toBeUndefined()
})

test.each(['ftp://x', 'not a url', 'http://user:pw@host'])('%s is a usage error', url => {
  const find = () => findConnection({ options: { url }, environment: nothing, dataDir: '/nonexistent' })
  expect(find).toThrow(expect.objectContaining({ exit: 2 }))
})

test('a broken file says what to do and shows nothing of its content', () => {
  const dataDir = tempDir()
  writeFileSync(path.join(dataDir, 'client.json'), '{"token":"lzr_secret"')
  chmodSync(path.join(dataDir, 'client.json'), 0o600)
  const find = () => findConnection({ options: {}, environment: nothing, dataDir })
  expect(find).toThrow(/set LAZARUS_URL and LAZARUS_TOKEN/)
  expect(find).not.toThrow(/secret/)
})
