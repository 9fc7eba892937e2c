/** The journal of money: every move of every attempt, appended once, each row's hash covering the one before. */
import { createHash } from 'node:crypto'
import type { AttemptRow, AttemptState } from '../entry.ts'
import type { EventVerdict } from '../ledger.ts'
import { attemptText, readAttempt } from './attempt-row.ts'
import { numberOf, optional, textOf } from './columns.ts'
import type { Connection, Row } from './connection.ts'

/** What stands before the first event. */
export const GENESIS_HASH = '0'.repeat(64)

/** Events read at a time while verifying, so that other work gets its turn between. */
const PAGE = 1_000

export const eventSql = {
  lastEvent: 'SELECT seq, hash FROM events WHERE seq = (SELECT max(seq) FROM events)',
  appendEvent:
    'INSERT INTO events (seq, attempt, from_state, to_state, held_usd, settled_usd, detail, at, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)',
  eventsAfter: 'SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?',
} as const

const ATTEMPTS_WITH_LAST_EVENT = `
SELECT attempts.*, last.seq AS last_seq, last.to_state AS last_state, last.detail AS last_detail, last.at AS last_at
FROM attempts LEFT JOIN events AS last ON last.seq = (SELECT max(seq) FROM events WHERE events.attempt = attempts.id)
WHERE attempts.id > ? ORDER BY attempts.id LIMIT ?`

export type JournalEvent = {
  readonly seq: number
  readonly attempt: string
  readonly from: AttemptState | undefined
  readonly to: string
  readonly heldUsd: string
  readonly settledUsd: string | undefined
  /** The whole row after the move: what was signed and what the chain showed, never a signature or a body. */
  readonly detail: string
  readonly at: number
}

/** Hashes an event over the hash before it (SHA-256, hex). JSON keeps the fields apart: no two events share a text. */
export function hashEvent(previous: string, event: JournalEvent): string {
  const { seq, attempt, from, to, heldUsd, settledUsd, detail, at } = event
  const text = JSON.stringify([previous, seq, attempt, from ?? null, to, heldUsd, settledUsd ?? null, detail, at])
  return createHash('sha256').update(text).digest('hex')
}

/** Appends the move from one row to the next; call inside the transaction that writes the row. */
export function appendEvent(connection: Connection, before: AttemptRow | undefined, after: AttemptRow): void {
  const last = connection.all(eventSql.lastEvent)[0]
  const event: JournalEvent = {
    seq: last === undefined ? 1 : numberOf(last, 'seq') + 1,
    attempt: after.id,
    from: before?.state,
    to: after.state,
    heldUsd: after.heldUsd.toString(),
    settledUsd: after.payment?.settledUsd?.toString(),
    detail: attemptText(after),
    at: after.updatedAt,
  }
  const hash = hashEvent(last === undefined ? GENESIS_HASH : textOf(last, 'hash'), event)
  const { seq, attempt, from, to, heldUsd, settledUsd, detail, at } = event
  connection.run(eventSql.appendEvent, [seq, attempt, from, to, heldUsd, settledUsd, detail, at, hash])
}

/** Walks the journal in pages, then compares every attempt with its last event; `pause` runs between pages. */
export async function verifyEvents(connection: Connection, pause: () => Promise<void>): Promise<EventVerdict> {
  let [seq, hash] = [0, GENESIS_HASH]
  for (;;) {
    const page = connection.all(eventSql.eventsAfter, [seq, PAGE])
    for (const row of page) {
      const event = readEvent(row)
      if (event.seq !== seq + 1) return { ok: false, brokenAt: seq + 1, reason: 'an event is missing' }
      if (hashEvent(hash, event) !== row['hash']) return { ok: false, brokenAt: event.seq, reason: 'an event is not as it was written' }
      ;[seq, hash] = [event.seq, textOf(row, 'hash')]
    }
    if (page.length < PAGE) return verifyAttempts(connection, pause)
    await pause()
  }
}

/** The chain alone cannot show that its end was cut off, or that a row was edited beside it: the attempts can. */
async function verifyAttempts(connection: Connection, pause: () => Promise<void>): Promise<EventVerdict> {
  for (let after = ''; ; await pause()) {
    const page = connection.all(ATTEMPTS_WITH_LAST_EVENT, [after, PAGE])
    const stray = page.find((row) => !standsAtLastEvent(row))
    if (stray !== undefined) {
      const brokenAt = optional(stray, 'last_seq', numberOf)
      const reason = `attempt ${textOf(stray, 'id')} does not stand where its last event left it`
      return { ok: false, brokenAt: brokenAt === undefined ? 1 : brokenAt, reason }
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return { ok: true }
    after = textOf(last, 'id')
  }
}

function standsAtLastEvent(row: Row): boolean {
  try {
    const attempt = readAttempt(row)
    return row['last_state'] === attempt.state && row['last_at'] === attempt.updatedAt && row['last_detail'] === attemptText(attempt)
  } catch {
    // Columns that cannot be read were not written by us.
    return false
  }
}

function readEvent(row: Row): JournalEvent {
  return {
    seq: numberOf(row, 'seq'),
    attempt: textOf(row, 'attempt'),
    from: optional(row, 'from_state', textOf) as AttemptState | undefined,
    to: textOf(row, 'to_state'),
    heldUsd: textOf(row, 'held_usd'),
    settledUsd: optional(row, 'settled_usd', textOf),
    detail: textOf(row, 'detail'),
    at: numberOf(row, 'at'),
  }
}
