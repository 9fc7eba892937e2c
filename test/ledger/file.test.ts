/** The file of the ledger: who may read it, which files are refused, and how versions meet. */
import { chmodSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Database from 'libsql'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrations, SCHEMA_VERSION } from '../../src/ledger/sqlite/migrations.ts'
import { createPlace, type LedgerPlace } from './open.ts'
import { holdOf, intentOf, limitOf, settledOf } from './sample.ts'

let place: LedgerPlace
beforeEach(() => void (place = createPlace()))
afterEach(() => place[Symbol.asyncDispose]())

const modeOf = (path: string) => (lstatSync(path).mode & 0o777).toString(8)
const unavailable = (message: RegExp) =>
  expect.objectContaining({ code: 'store_unavailable', message: expect.stringMatching(message) as string })

describe('access', () => {
  it('is for the owner alone: file, log, index and the directories it made', async () => {
    const path = join(dirname(place.path), 'deep', 'state', 'ledger.db')
    const ledger = await place.open(1, { path })
    await ledger.attempts.hold(holdOf('a', 1n))
    expect(['', '-wal', '-shm'].map((suffix) => modeOf(path + suffix))).toEqual(['600', '600', '600'])
    expect([dirname(path), dirname(dirname(path))].map(modeOf)).toEqual(['700', '700'])
  })

  it('is narrowed when a file was left open to others', async () => {
    await (await place.open()).close()
    for (const suffix of ['', '-wal', '-shm']) chmodSync(place.path + suffix, 0o644)
    await place.open(2)
    expect(['', '-wal', '-shm'].map((suffix) => modeOf(place.path + suffix))).toEqual(['600', '600', '600'])
  })

  it.each(['', '-wal', '-shm'])('refuses a symlink as ledger.db%s', async (suffix) => {
    const target = `${place.path}.elsewhere`
    writeFileSync(target, '')
    symlinkSync(target, place.path + suffix)
    await expect(place.open()).rejects.toEqual(unavailable(/plain file/))
    expect(lstatSync(target).size).toBe(0)
  })

  it('refuses a symlink that points nowhere', async () => {
    symlinkSync(`${place.path}.nowhere`, place.path)
    await expect(place.open()).rejects.toEqual(unavailable(/plain file/))
  })

  it('refuses a directory in place of the file, and a directory that others may write', async () => {
    mkdirSync(place.path)
    await expect(place.open()).rejects.toEqual(unavailable(/plain file/))
    chmodSync(dirname(place.path), 0o777)
    await expect(place.open()).rejects.toEqual(unavailable(/written by others/))
  })

  it('refuses a path through a file, and a path with a NUL', async () => {
    writeFileSync(place.path, '')
    await expect(place.open(1, { path: join(place.path, 'ledger.db') })).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(place.open(1, { path: `${place.path}\0x` })).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('takes a name with signs that mean something in a URI as it is', async () => {
    const path = join(dirname(place.path), 'file:a?mode=ro#b%20.db')
    const ledger = await place.open(1, { path })
    expect(await ledger.attempts.hold(holdOf('a', 1n))).toEqual({ granted: true })
    expect(lstatSync(path).isFile()).toBe(true)
  })
})

describe('versions', () => {
  const raw = () => new Database(place.path)

  it('begins at nothing and ends at ours', async () => {
    await place.open()
    expect(raw().prepare('PRAGMA user_version').get()).toMatchObject({ user_version: SCHEMA_VERSION })
    expect(SCHEMA_VERSION).toBe(migrations.length)
  })

  /** Writes what the ledger holds into a file as its `version` had it. */
  function writeAsOf(version: number, path: string): void {
    const old = new Database(path)
    for (const step of migrations.slice(0, version)) old.exec(step)
    const { application_id } = raw().prepare('PRAGMA application_id').get() as { application_id: number }
    old.exec(`PRAGMA application_id = ${application_id}; PRAGMA user_version = ${version}; ATTACH '${place.path}' AS later`)
    for (const table of ['meta', 'budgets', 'attempts', 'attempt_budgets', 'events']) {
      const columns = (old.prepare(`PRAGMA table_info(${table})`).all() as { name: string }[]).map(({ name }) => name).join(', ')
      old.exec(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM later.${table}`)
    }
    old.close()
    chmodSync(path, 0o600)
  }

  it('reads what was written before attempts named their proof, and its journal still follows', async () => {
    const before = await place.open()
    await before.attempts.hold(holdOf('a', 9n, { budgets: [limitOf(50n)] }))
    await before.attempts.intend('a', intentOf('a', 7n))
    await before.attempts.end('a', settledOf(7n))
    const row = await before.attempts.get('a')
    await before.close()
    const path = `${place.path}.old`
    writeAsOf(3, path)
    const after = await place.open(2, { path })
    expect(await after.attempts.get('a')).toEqual(row)
    expect(row?.payment?.proof).toBe('eip3009')
    expect(await after.verifyEvents()).toEqual({ ok: true })
  })

  it('takes an empty file for a new ledger', async () => {
    writeFileSync(place.path, '', { mode: 0o600 })
    const ledger = await place.open()
    expect(await ledger.verifyEvents()).toEqual({ ok: true })
  })

  it('refuses to open a newer file and leaves it as it is', async () => {
    const ledger = await place.open()
    await ledger.attempts.hold(holdOf('a', 1n, { budgets: [limitOf(5n)] }))
    await ledger.close()
    raw().exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    await expect(place.open(2)).rejects.toEqual(unavailable(new RegExp(`version ${SCHEMA_VERSION + 1}, .* version ${SCHEMA_VERSION}`)))
    await expect(place.open(2)).rejects.toMatchObject({ hint: expect.stringContaining('Upgrade') as string })
    expect(raw().prepare('SELECT count(*) AS n FROM processes').get()).toMatchObject({ n: 0 })
  })

  it('stops writing when another process has upgraded the file meanwhile', async () => {
    const ledger = await place.open()
    raw().exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    await expect(ledger.attempts.hold(holdOf('a', 1n))).rejects.toEqual(unavailable(new RegExp(`version ${SCHEMA_VERSION + 1}`)))
    raw().exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    expect(await ledger.attempts.hold(holdOf('a', 1n))).toEqual({ granted: true })
  })

  it('refuses a database of another application', async () => {
    raw().exec('CREATE TABLE songs (title)')
    await expect(place.open()).rejects.toEqual(unavailable(/another application/))
    expect(raw().prepare('SELECT name FROM sqlite_schema').all()).toHaveLength(1)
  })

  it('leaves no half of a migration behind when the process of it fails', async () => {
    raw().exec('CREATE TABLE songs (title); PRAGMA application_id = 1380994119; PRAGMA journal_mode = WAL')
    raw().exec('CREATE TABLE events (taken)')
    await expect(place.open()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(raw().prepare('SELECT count(*) AS n FROM sqlite_schema').get()).toMatchObject({ n: 2 })
    expect(raw().prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 0 })
  })
})
