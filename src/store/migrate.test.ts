import { cpSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { tempDir } from '../../test/support/temp.js'
import { applyMigrations, migrationsFolder } from './migrate.js'

test('S0-23: who had a subscription is a user after the upgrade, with the same token and end', () => {
  const dir = tempDir()
  const [file, first] = [join(dir, 'lazarus.db'), join(dir, 'first')]
  mkdirSync(first)
  cpSync(new URL('0001_init', migrationsFolder), join(first, '0001_init'), { recursive: true })
  applyMigrations(file, pathToFileURL(`${first}/`))
  const db = new Database(file)
  const add =
    db.prepare(`INSERT INTO "Subscription" (id, name, "tokenHash", "expiresAt", enabled, "expiredAt", "createdAt")
    VALUES (?, ?, ?, ?, ?, ?, ?)`)
  const [soon, made] = ['2026-02-01T00:00:00.000+00:00', '2025-12-01T00:00:00.000+00:00']
  add.run('s1', 'ann', 'h1', soon, 1, null, made)
  add.run('s2', 'bob', 'h2', null, 0, null, made)
  add.run('s3', 'ann', 'h3', soon, 1, soon, made)
  applyMigrations(file)
  const users = db
    .prepare(
      'SELECT id, name, enabled, "tokenHash", "expiresAt", "expiredAt", "periodAt", "createdAt", over FROM "User" ORDER BY id',
    )
    .all()
  const same = { periodAt: made, createdAt: made, over: 0 }
  expect(users).toEqual([
    { ...same, id: 's1', name: 'ann s1', enabled: 1, tokenHash: 'h1', expiresAt: soon, expiredAt: null },
    { ...same, id: 's2', name: 'bob', enabled: 0, tokenHash: 'h2', expiresAt: null, expiredAt: null },
    { ...same, id: 's3', name: 'ann s3', enabled: 1, tokenHash: 'h3', expiresAt: soon, expiredAt: soon },
  ])
  expect(db.prepare('SELECT "tokenHash" FROM "AccessChange" ORDER BY 1').pluck().all()).toEqual([
    'h1',
    'h2',
    'h3',
  ])
  expect(db.prepare(`SELECT name FROM sqlite_master WHERE name = 'Subscription'`).all()).toEqual([])
  db.close()
})

test('pools keep their nodes when their table is made anew', () => {
  const dir = tempDir()
  const [file, before] = [join(dir, 'lazarus.db'), join(dir, 'before')]
  cpSync(migrationsFolder, before, { recursive: true })
  rmSync(join(before, '0003_lvs_push'), { recursive: true })
  applyMigrations(file, pathToFileURL(`${before}/`))
  const db = new Database(file)
  db.exec(`INSERT INTO "Pool" (name, zone, image) VALUES ('edge', 'lazarus.test', 'debian-12');
    INSERT INTO "Node" (name, "poolName", zone, fqdn, state) VALUES ('edge-1', 'edge', 'lazarus.test', 'f', 'ready')`)
  applyMigrations(file)
  expect(
    db
      .prepare('SELECT n.name, p.name AS pool, p.vips FROM "Node" n JOIN "Pool" p ON p.name = n."poolName"')
      .all(),
  ).toEqual([{ name: 'edge-1', pool: 'edge', vips: '[]' }])
  db.close()
})
