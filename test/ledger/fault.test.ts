/** When the store fails, money stops: every fault is one clear error, reads too, and nothing is half done. */
import { closeSync, openSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import Database from 'libsql'
import { describe, expect, it, vi } from 'vitest'
import { storeError } from '../../src/ledger/sqlite/connection.ts'
import type { Log } from '../../src/lib/log.ts'
import { silentLog } from '../../src/lib/log.ts'
import { startChild } from './children.ts'
import { createPlace } from './open.ts'
import { holdOf, intentOf, limitOf, requestOf, settledOf } from './sample.ts'

const unavailable = (reason: string) =>
  expect.objectContaining({ code: 'store_unavailable', details: expect.objectContaining({ reason }) as object })

describe('a database that another process holds', () => {
  it('refuses changes after the wait, lets reads pass, and goes on when it is free', async () => {
    await using place = createPlace()
    const ledger = await place.open(1, { lockWaitMs: 80 })
    await ledger.attempts.hold(holdOf('a', 5n, { budgets: [limitOf(9n)] }))
    const other = new Database(place.path)
    other.exec('BEGIN IMMEDIATE')
    const refused = await Promise.allSettled([
      ledger.attempts.hold(holdOf('b', 1n)),
      ledger.attempts.intend('a', intentOf('a', 5n)),
      ledger.idempotency.claim('me', 'k', 'f', 1),
    ])
    for (const outcome of refused) expect(outcome).toEqual({ status: 'rejected', reason: unavailable('locked') })
    expect(await ledger.attempts.get('a')).toMatchObject({ state: 'held' })
    other.exec('ROLLBACK')
    await ledger.attempts.intend('a', intentOf('a', 5n))
    expect(await ledger.attempts.get('b')).toBeUndefined()
    expect(await ledger.attempts.get('a')).toMatchObject({ state: 'intent' })
  })

  it('is waited for, without holding up anything else', async () => {
    await using place = createPlace()
    const ledger = await place.open(1, { lockWaitMs: 20_000 })
    const other = new Database(place.path)
    other.exec('BEGIN IMMEDIATE')
    const order: string[] = []
    const held = ledger.attempts.hold(holdOf('a', 1n)).then(() => order.push('held'))
    for (let turn = 0; turn < 3; turn++) await ledger.attempts.get('nobody')
    order.push('read')
    other.exec('COMMIT')
    await held
    expect(order).toEqual(['read', 'held'])
  })

  it('does not open', async () => {
    await using place = createPlace()
    await (await place.open()).close()
    const other = new Database(place.path)
    other.exec('BEGIN IMMEDIATE')
    await expect(place.open(2, { lockWaitMs: 80 })).rejects.toEqual(unavailable('locked'))
    other.exec('ROLLBACK')
    await place.open(2)
  })

  it('keeps request rows in memory until it is free', async () => {
    await using place = createPlace()
    const log = { ...silentLog, warn: vi.fn<Log['warn']>() }
    const ledger = await place.open(1, { lockWaitMs: 40, log })
    const other = new Database(place.path)
    other.exec('BEGIN IMMEDIATE')
    for (let at = 0; at < 64; at++) ledger.requests.record(requestOf(`r${String(at).padStart(2, '0')}`))
    await expect(ledger.requests.flush()).rejects.toEqual(unavailable('locked'))
    await expect(ledger.requests.get('r00')).rejects.toEqual(unavailable('locked'))
    // Nobody has to ask: the rows are tried by themselves soon after they came, and what becomes of that is said.
    await vi.waitFor(() => expect(log.warn).toHaveBeenCalledWith('ledger.requests_not_written', { code: 'store_unavailable', waiting: 64 }))
    other.exec('ROLLBACK')
    expect(await ledger.requests.list(100)).toHaveLength(64)
  })
})

describe('a full disk', () => {
  it('refuses the hold that did not fit and keeps every other', async () => {
    await using place = createPlace()
    // 4,096 blocks of 512 bytes or of 1 KiB, as the shell has it: either is soon full.
    const child = startChild('fill.ts', [place.path], 'ulimit -f 4096')
    expect(await child.ended()).toBe(0)
    expect(child.lines[0]).toMatch(/^store_unavailable (full|io)$/)
    const { granted, reserved, again } = JSON.parse(child.lines[1] as string) as { granted: number; reserved: number; again: string }
    expect(again).toBe('store_unavailable')
    expect(granted).toBeGreaterThan(10)
    expect(reserved).toBe(granted)
    const ledger = await place.open()
    expect(await ledger.attempts.list({})).toHaveLength(granted)
    expect(await ledger.verifyEvents()).toEqual({ ok: true })
    expect(await ledger.attempts.hold(holdOf('now', 1n))).toEqual({ granted: true })
  })
})

describe('a damaged file', () => {
  it('is refused when it is no database', async () => {
    await using place = createPlace()
    writeFileSync(place.path, Buffer.alloc(8_192, 7), { mode: 0o600 })
    await expect(place.open()).rejects.toEqual(unavailable('corrupt'))
  })

  it('refuses reads and changes of what it can no longer tell', async () => {
    await using place = createPlace()
    const ledger = await place.open()
    new Database(place.path).exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const { size: schema } = statSync(place.path)
    await Promise.all(Array.from({ length: 300 }, (_, at) => ledger.attempts.hold(holdOf(`a${at}`, 1n, { budgets: [limitOf(999n)] }))))
    await ledger.close()
    new Database(place.path).exec('PRAGMA wal_checkpoint(TRUNCATE)')
    const file = openSync(place.path, 'r+')
    const { size } = statSync(place.path)
    // Behind the pages of the schema itself: without those the file would not even open.
    for (let at = schema; at < size; at += 4_096) writeSync(file, Buffer.alloc(4_096, 0xee), 0, 4_096, at)
    closeSync(file)
    const again = await place.open(2)
    await expect(again.attempts.list({})).rejects.toEqual(unavailable('corrupt'))
    await expect(again.verifyEvents()).rejects.toEqual(unavailable('corrupt'))
    await expect(again.attempts.hold(holdOf('a7', 1n))).rejects.toMatchObject({ code: 'store_unavailable' })
  })

  it('loses only what was not yet promised when the end of the log is torn', async () => {
    await using place = createPlace()
    const ledger = await place.open()
    for (const id of ['a', 'b']) await ledger.attempts.hold(holdOf(id, 1n, { budgets: [limitOf(9n)] }))
    const image = readFileSync(`${place.path}-wal`)
    const copy = `${place.path}.torn`
    writeFileSync(copy, readFileSync(place.path), { mode: 0o600 })
    writeFileSync(`${copy}-wal`, image, { mode: 0o600 })
    truncateSync(`${copy}-wal`, image.length - 5)
    const torn = await place.open(2, { path: copy })
    expect(await torn.attempts.list({})).toHaveLength(1)
    expect((await torn.attempts.budgets([limitOf(9n)]))[0]?.reserved).toBe(1n)
    expect(await torn.verifyEvents()).toEqual({ ok: true })
  })

  it('never reads an amount that is none as zero', async () => {
    await using place = createPlace()
    const ledger = await place.open()
    await ledger.attempts.hold(holdOf('a', 5n, { budgets: [limitOf(9n)] }))
    await ledger.attempts.intend('a', intentOf('a', 5n))
    const other = new Database(place.path)
    expect(() => other.exec("UPDATE budgets SET reserved = ''")).toThrow(/CHECK/)
    expect(() => other.exec("UPDATE budgets SET reserved = '-5'")).toThrow(/CHECK/)
    other.exec("PRAGMA ignore_check_constraints = ON; UPDATE budgets SET reserved = ''")
    await expect(ledger.attempts.hold(holdOf('b', 1n, { budgets: [limitOf(9n)] }))).rejects.toEqual(unavailable('corrupt'))
    await expect(ledger.attempts.budgets([limitOf(9n)])).rejects.toEqual(unavailable('corrupt'))
    await expect(ledger.attempts.end('a', settledOf(5n))).rejects.toEqual(unavailable('corrupt'))
    expect(await ledger.attempts.get('a')).toMatchObject({ state: 'intent' })
  })
})

describe('a file that may only be read', () => {
  it('is a fault of the store, with its cause kept', async () => {
    await using place = createPlace()
    await (await place.open()).close()
    const readonly = new Database(`file:${place.path}?mode=ro`)
    const write = () => readonly.prepare('DELETE FROM processes').run([])
    try {
      write()
      expect.unreachable()
    } catch (cause) {
      const error = storeError(cause)
      expect(error).toEqual(unavailable('readonly'))
      expect(error.cause).toBe(cause)
    }
  })
})
