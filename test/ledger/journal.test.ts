/** The journal of events: nobody changes it by accident, and whoever changes it on purpose is found out. */
import Database from 'libsql'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { createPlace, type LedgerPlace } from './open.ts'
import { holdOf, intentOf, limitOf, released, settledOf, unknown } from './sample.ts'

let place: LedgerPlace
let ledger: Ledger
let raw: InstanceType<typeof Database>
beforeEach(async () => {
  place = createPlace()
  ledger = await place.open()
  // Events 1 to 7: two payments, one settled and confirmed twice, one given up.
  for (const id of ['a', 'b']) await ledger.attempts.hold(holdOf(id, 9n, { budgets: [limitOf(99n)] }))
  await ledger.attempts.intend('a', intentOf('a', 5n))
  await ledger.attempts.end('a', unknown)
  await ledger.attempts.end('a', settledOf(4n, { transaction: '0xT' }))
  await ledger.attempts.end('b', released)
  await ledger.attempts.end('a', settledOf(4n, { finality: 'final', now: 9_000 }))
  raw = new Database(place.path)
})
afterEach(() => place[Symbol.asyncDispose]())

const forced = (sql: string) => raw.exec(`DROP TRIGGER events_last; DROP TRIGGER events_stay; DROP TRIGGER events_in_order; ${sql}`)

it('has an event for every move, in order, and is sound', async () => {
  const events = raw.prepare('SELECT seq, attempt, from_state, to_state, held_usd, settled_usd, at FROM events ORDER BY seq').all([])
  expect(events).toEqual([
    { seq: 1, attempt: 'a', from_state: null, to_state: 'held', held_usd: '9', settled_usd: null, at: 1_000 },
    { seq: 2, attempt: 'b', from_state: null, to_state: 'held', held_usd: '9', settled_usd: null, at: 1_000 },
    { seq: 3, attempt: 'a', from_state: 'held', to_state: 'intent', held_usd: '5', settled_usd: null, at: 2_000 },
    { seq: 4, attempt: 'a', from_state: 'intent', to_state: 'unknown', held_usd: '5', settled_usd: null, at: 3_000 },
    { seq: 5, attempt: 'a', from_state: 'unknown', to_state: 'settled', held_usd: '5', settled_usd: '4', at: 3_000 },
    { seq: 6, attempt: 'b', from_state: 'held', to_state: 'released', held_usd: '9', settled_usd: null, at: 3_000 },
    { seq: 7, attempt: 'a', from_state: 'settled', to_state: 'settled', held_usd: '5', settled_usd: '4', at: 9_000 },
  ])
  expect(await ledger.verifyEvents()).toEqual({ ok: true })
})

it('is not written by what changes nothing', async () => {
  await ledger.attempts.end('a', settledOf(4n))
  await ledger.attempts.end('b', released)
  await expect(ledger.attempts.end('b', unknown)).rejects.toThrow()
  await ledger.attempts.hold(holdOf('c', 1n, { budgets: [limitOf(0n)] }))
  expect(raw.prepare('SELECT count(*) AS n FROM events').get([])).toMatchObject({ n: 7 })
})

it.each([
  ['UPDATE', "UPDATE events SET held_usd = '1' WHERE seq = 3", /never changed/],
  ['DELETE', 'DELETE FROM events WHERE seq = 7', /never deleted/],
  [
    'INSERT',
    'INSERT INTO events SELECT 9, attempt, from_state, to_state, held_usd, settled_usd, detail, at, hash FROM events WHERE seq = 7',
    /one after/,
  ],
  [
    'REPLACE',
    "INSERT OR REPLACE INTO events SELECT seq, attempt, from_state, to_state, '1', settled_usd, detail, at, hash FROM events WHERE seq = 3",
    /one after/,
  ],
])('forbids an %s', (_, sql, message) => {
  expect(() => raw.exec(sql)).toThrow(message)
})

it.each([
  ["UPDATE events SET held_usd = '1' WHERE seq = 3", 3],
  ['UPDATE events SET settled_usd = NULL WHERE seq = 5', 5],
  ['UPDATE events SET at = at + 1 WHERE seq = 6', 6],
  ["UPDATE events SET from_state = 'x' WHERE seq = 1", 1],
  ["UPDATE events SET detail = replace(detail, '0xPayee', '0xThief') WHERE seq = 3", 3],
  ['UPDATE events SET hash = substr(hash, 2) || substr(hash, 1, 1) WHERE seq = 7', 7],
  ['DELETE FROM events WHERE seq = 4', 4],
  ['DELETE FROM events WHERE seq = 1', 1],
  ['UPDATE events SET seq = 40 WHERE seq = 4', 4],
])('shows %s', async (sql, brokenAt) => {
  forced(sql)
  expect(await ledger.verifyEvents()).toMatchObject({ ok: false, brokenAt })
})

it.each([
  ['an end that was cut off', 'DELETE FROM events WHERE seq > 4', 4],
  ['an end that only raised finality', 'DELETE FROM events WHERE seq = 7', 5],
  ['a journal that is gone', 'DELETE FROM events', 1],
  ['a payee changed in the row', "UPDATE attempts SET payee = '0xThief' WHERE id = 'a'", 7],
  ['an amount changed in the row', "UPDATE attempts SET settled_usd = '1' WHERE id = 'a'", 7],
  ['a state changed in the row', "UPDATE attempts SET state = 'held' WHERE id = 'b'", 6],
])('shows %s', async (_, sql, brokenAt) => {
  forced(sql)
  expect(await ledger.verifyEvents()).toMatchObject({ ok: false, brokenAt, reason: expect.stringContaining('last event') as string })
})

it('is verified page by page', async () => {
  await Promise.all(Array.from({ length: 2_500 }, (_, at) => ledger.attempts.hold(holdOf(`x${at}`, 1n))))
  expect(await ledger.verifyEvents()).toEqual({ ok: true })
  forced("UPDATE events SET held_usd = '2' WHERE seq = 2400")
  expect(await ledger.verifyEvents()).toMatchObject({ ok: false, brokenAt: 2_400 })
})
