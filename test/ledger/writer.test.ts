/** Group commit: how many transactions a burst costs, and that each change answers for itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { RouteplaneError } from '../../src/errors.ts'
import { configure, connect, type Connection } from '../../src/ledger/sqlite/connection.ts'
import { migrations, SCHEMA_VERSION } from '../../src/ledger/sqlite/migrations.ts'
import { createWriter, MAX_GROUP, type Writer } from '../../src/ledger/sqlite/writer.ts'
import { systemClock } from '../../src/lib/clock.ts'

let directory: string
let connection: Connection
let writer: Writer
let executed: string[]
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'routeplane-writer-'))
  connection = await connect(join(directory, 'w.db'))
  configure(connection)
  for (const step of migrations) connection.exec(step)
  connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}; CREATE TABLE notes (id TEXT PRIMARY KEY)`)
  executed = []
  // The real connection, with what it is told written down.
  const watched: Connection = {
    ...connection,
    exec: (sql) => {
      executed.push(sql)
      connection.exec(sql)
    },
    get inTransaction() {
      return connection.inTransaction
    },
  }
  writer = createWriter(watched, systemClock, 1_000)
})
afterEach(() => {
  connection.close()
  rmSync(directory, { recursive: true, force: true })
})

const add = (id: string) => writer.write(() => connection.run('INSERT INTO notes (id) VALUES (?)', [id]))
const count = (sql: string) => executed.filter((own) => own === sql).length
const notes = () => connection.all('SELECT id FROM notes ORDER BY id').map(({ id }) => id)

it('commits what arrives together once', async () => {
  await Promise.all(['a', 'b', 'c'].map(add))
  expect([count('BEGIN IMMEDIATE'), count('COMMIT')]).toEqual([1, 1])
})

it('gathers what separate events of one turn bring', async () => {
  const turns = ['a', 'b', 'c'].map((id) => new Promise((resolve) => process.nextTick(() => resolve(add(id)))))
  await Promise.all(turns)
  expect(count('COMMIT')).toBe(1)
})

it('puts at most 64 into one transaction', async () => {
  await Promise.all(Array.from({ length: 3 * MAX_GROUP + 1 }, (_, at) => add(`n${at}`)))
  expect(count('COMMIT')).toBe(4)
  expect(notes()).toHaveLength(3 * MAX_GROUP + 1)
})

it('undoes a change that throws, whole, and none beside it', async () => {
  const outcomes = await Promise.allSettled([
    add('a'),
    writer.write(() => {
      connection.run('INSERT INTO notes (id) VALUES (?)', ['half'])
      throw new RouteplaneError('internal', 'no')
    }),
    add('a'),
    writer.write(() => (undefined as unknown as { field: string }).field),
    add('b'),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled'])
  expect(outcomes.filter(({ status }) => status === 'rejected')).toEqual(
    Array.from({ length: 3 }, () => ({ status: 'rejected', reason: expect.objectContaining({ code: 'internal' }) as object })),
  )
  expect(notes()).toEqual(['a', 'b'])
  expect(count('COMMIT')).toBe(1)
})

it('promises nothing of a group whose transaction failed', async () => {
  const outcomes = await Promise.allSettled([add('a'), writer.write(() => connection.all('SELECT * FROM nowhere')), add('b')])
  for (const outcome of outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'store_unavailable' } })
  expect(notes()).toEqual([])
  await add('c')
  expect(notes()).toEqual(['c'])
})

it('settles a promise only once the change is committed', async () => {
  await add('a').then(() => expect(executed.at(-1)).toBe('COMMIT'))
  await writer
    .write(() => {
      throw new RouteplaneError('internal', 'no')
    })
    .catch(() => expect(executed.at(-1)).toBe('COMMIT'))
})

it('takes a last change and then no more', async () => {
  const before = add('a')
  const closed = writer.close(() => void connection.run('INSERT INTO notes (id) VALUES (?)', ['last']))
  await expect(add('late')).rejects.toMatchObject({ code: 'store_unavailable' })
  await Promise.all([before, closed])
  expect(notes()).toEqual(['a', 'last'])
})

describe('what need not survive a crash of the machine', () => {
  const syncLevel = () => connection.all('PRAGMA synchronous')[0]?.['synchronous']
  const [NORMAL, FULL] = [1, 2]

  it('is not synced, and money before, beside and after it is', async () => {
    const levels = await Promise.all([
      writer.write(syncLevel),
      writer.writeLoosely(syncLevel),
      writer.write(syncLevel),
      writer.writeLoosely(syncLevel).then(() => writer.write(syncLevel)),
    ])
    expect(levels).toEqual([FULL, NORMAL, FULL, FULL])
  })

  it('waits for the money that came with it', async () => {
    const order: string[] = []
    const note = (what: string) => () => void order.push(what)
    await Promise.all([writer.writeLoosely(note('loose')), writer.write(note('money')), writer.write(note('more money'))])
    expect(order).toEqual(['money', 'more money', 'loose'])
  })

  it('never lets money be written when the sync cannot be set', async () => {
    await writer.writeLoosely(() => undefined)
    // A transaction that somebody has left open: SQLite then does not change how it syncs.
    connection.exec('BEGIN')
    await expect(add('a')).rejects.toMatchObject({ code: 'store_unavailable' })
    expect(notes()).toEqual([])
    expect(await writer.write(syncLevel)).toBe(FULL)
  })
})
