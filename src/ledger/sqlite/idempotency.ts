/** Idempotency keys: one request a key, and its answer kept for whoever asks again. */
import { RouteplaneError } from '../../errors.ts'
import { isRecord, parseJson } from '../../lib/json.ts'
import type { IdempotencyClaim, IdempotencyStore, KeptAnswer } from '../ledger.ts'
import { MAX_KEPT_BYTES } from '../ledger.ts'
import { checkTime } from '../rules.ts'
import type { Engine } from './attempts.ts'
import { bytesOf, damaged, numberOf, optional, textOf } from './columns.ts'
import type { Row } from './connection.ts'

const KEPT_MS = 24 * 60 * 60 * 1_000

export const idempotencySql = {
  claimOf: 'SELECT * FROM idempotency WHERE caller = ? AND key = ?',
  putClaim: 'INSERT OR REPLACE INTO idempotency (caller, key, fingerprint, owner, claimed_at, request_id) VALUES (?, ?, ?, ?, ?, ?)',
  keepAnswer: 'UPDATE idempotency SET status = ?, headers = ?, body = ? WHERE caller = ? AND key = ? AND owner = ? AND status IS NULL',
  giveBack: 'DELETE FROM idempotency WHERE caller = ? AND key = ? AND owner = ? AND status IS NULL',
  // A few at a time: a claim must not pay for a whole day's keys.
  forget: 'DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency WHERE claimed_at <= ? ORDER BY claimed_at LIMIT 16)',
} as const

export function createIdempotencyStore(engine: Engine): IdempotencyStore {
  const { connection, writer, processes } = engine
  return {
    claim: (caller, key, fingerprint, now, requestId) => writer.write(() => claim(engine, { caller, key, fingerprint, now, requestId })),
    finish: async (caller, key, answer) => {
      const place = [caller, key, processes.self]
      if (answer === undefined) return writer.write(() => void connection.run(idempotencySql.giveBack, place))
      checkAnswer(answer)
      const { status, headers, body } = answer
      return writer.write(() => void connection.run(idempotencySql.keepAnswer, [status, JSON.stringify(headers), body, ...place]))
    },
  }
}

type ClaimRequest = {
  readonly caller: string
  readonly key: string
  readonly fingerprint: string
  readonly now: number
  readonly requestId: string | undefined
}

function claim(engine: Engine, { caller, key, fingerprint, now, requestId }: ClaimRequest): IdempotencyClaim {
  checkTime(now)
  const { connection, processes } = engine
  connection.run(idempotencySql.forget, [now - KEPT_MS])
  const row = connection.all(idempotencySql.claimOf, [caller, key])[0]
  if (row !== undefined && numberOf(row, 'claimed_at') > now - KEPT_MS) {
    if (textOf(row, 'fingerprint') !== fingerprint) return { kind: 'conflict' }
    if (row['status'] !== null) return { kind: 'kept', answer: readAnswer(row) }
    if (!processes.isDead(textOf(row, 'owner'), now)) return { kind: 'running' }
  }
  connection.run(idempotencySql.putClaim, [caller, key, fingerprint, processes.self, now, requestId])
  const isAlive = row !== undefined && numberOf(row, 'claimed_at') > now - KEPT_MS
  const abandoned = isAlive ? optional(row, 'request_id', textOf) : undefined
  return abandoned === undefined ? { kind: 'new' } : { kind: 'new', abandoned }
}

function checkAnswer(answer: KeptAnswer): void {
  if (answer.body.byteLength <= MAX_KEPT_BYTES) return
  throw new RouteplaneError('internal', `an answer of ${answer.body.byteLength} bytes is too large to be kept`, {
    hint: `Keep a shorter answer of at most ${MAX_KEPT_BYTES} bytes in its place.`,
  })
}

function readAnswer(row: Row): KeptAnswer {
  const headers = parseJson(textOf(row, 'headers'))
  if (!isRecord(headers) || !Object.values(headers).every((value) => typeof value === 'string')) throw damaged('headers')
  return { status: numberOf(row, 'status'), headers: headers as Record<string, string>, body: bytesOf(row, 'body') }
}
