// Writes the next migration (`npm run migration -- name`), or with --check fails when the schema has changes
// that no migration makes. Prisma's own command would download an engine; its WASM build is in the registry.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import { applyMigrations } from '../src/store/migrate.js'

const require = createRequire(import.meta.url)
const folder = new URL('./migrations/', import.meta.url)

// Node's types leave WebAssembly to the DOM library, which a server does not load.
const { WebAssembly: wasm } = globalThis as unknown as {
  WebAssembly: {
    instantiate(
      code: Buffer,
      imports: object,
    ): Promise<{ instance: { exports: { __wbindgen_start(): void } } }>
  }
}

async function loadEngine(database: string) {
  const glue = await import('@prisma/schema-engine-wasm/schema_engine_bg')
  const file = require
    .resolve('@prisma/schema-engine-wasm')
    .replace('schema_engine.js', 'schema_engine_bg.wasm')
  const { instance } = await wasm.instantiate(readFileSync(file), {
    './schema_engine_bg.js': glue,
  })
  glue.__wbg_set_wasm(instance.exports)
  instance.exports.__wbindgen_start()
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaBetterSqlite3({ url: `file:${database}` }))
  return glue.SchemaEngine.new({ datamodels: undefined }, () => undefined, adapter)
}

/** The SQL that leads from the committed migrations, applied to an empty database, to the schema; often empty. */
async function missingSql(): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), 'lazarus-migration-'))
  try {
    const database = join(scratch, 'current.db')
    applyMigrations(database, folder)
    const engine = await loadEngine(database)
    const files = [
      { path: 'schema.prisma', content: readFileSync(new URL('./schema.prisma', import.meta.url), 'utf8') },
    ]
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files, configDir: scratch },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      filters: { externalTables: [], externalEnums: [] },
    })
    const sql = stdout ?? ''
    return sql.includes('This is an empty migration') ? '' : sql
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** Tables go last: before that, what they held is moved by a statement of our own in `prisma/moves`, if there is one. */
function withMove(name: string, sql: string): string {
  const drop = /^-- DropTable\nPRAGMA foreign_keys=off;\n(DROP TABLE .*\n)PRAGMA foreign_keys=on;\n\n/gm
  const drops = [...sql.matchAll(drop)].map(match => match[1])
  const move = new URL(`./moves/${name}.sql`, import.meta.url)
  const moves = existsSync(move) ? [readFileSync(move, 'utf8')] : []
  return [sql.replaceAll(drop, '').trimEnd(), '\n', ...moves, ...drops].join('\n')
}

const argument = process.argv[2] ?? '--check'
const sql = await missingSql()
if (argument === '--check') {
  if (sql) {
    console.error(`prisma/schema.prisma has changes without a migration: npm run migration -- <name>\n${sql}`)
    process.exitCode = 1
  }
} else if (sql) {
  const count = readdirSync(folder).filter(name => /^\d{4}_/.test(name)).length
  const name = `${String(count + 1).padStart(4, '0')}_${argument}`
  mkdirSync(new URL(`${name}/`, folder), { recursive: true })
  writeFileSync(new URL(`${name}/migration.sql`, folder), withMove(name, sql))
  console.log(`prisma/migrations/${name}/migration.sql`)
} else console.log('nothing to migrate')
