/** The columns of an attempt, both ways. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { attemptStates, finalities, present } from '../rules.ts'
import type { AttemptPayment, AttemptRow } from '../entry.ts'
import { amountOf, damaged, numberOf, oneOf, optional, textOf } from './columns.ts'
import type { Bound, Row } from './connection.ts'

/** Fixed when the hold is made. */
const madeColumns = ['id', 'request_id', 'provider', 'model', 'mode', 'caller', 'preset', 'owner', 'created_at', 'fingerprint'] as const

/** Changed by intents and endings. */
const movedColumns = [
  'state',
  'held_usd',
  'owed_usd',
  'reason',
  'updated_at',
  'protocol',
  'scheme',
  'network',
  'asset',
  'decimals',
  'payer',
  'payee',
  'amount_authorized',
  'nonce',
  'valid_before',
  'resource',
  'body_digest',
  'amount_settled',
  'settled_usd',
  'transaction_hash',
  'block_number',
  'log_index',
  'finality',
  'proof',
  'particulars',
] as const

/** What an absent proof means: the only kind there was when ledgers had no column for it. */
const FIRST_PROOF = 'eip3009'

const columns = [...madeColumns, ...movedColumns]

export const attemptSql = {
  insertAttempt: `INSERT INTO attempts (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
  updateAttempt: `UPDATE attempts SET ${movedColumns.map((column) => `${column} = ?`).join(', ')} WHERE id = ?`,
  adoptAttempt: 'UPDATE attempts SET owner = ?, updated_at = ? WHERE id = ?',
  attemptById: 'SELECT * FROM attempts WHERE id = ?',
  attemptsOfRequest: 'SELECT * FROM attempts WHERE request_id = ?',
  // Whoever heals an attempt owns it from then on: its first event says who made it.
  untoldAttempts:
    'SELECT *, (SELECT detail FROM events WHERE attempt = attempts.id ORDER BY seq LIMIT 1) AS made FROM attempts ' +
    'WHERE fingerprint = ? AND created_at >= ? AND caller = ? AND NOT EXISTS (SELECT 1 FROM requests WHERE requests.id = request_id)',
} as const

export function insertValues(row: AttemptRow): readonly Bound[] {
  const { id, requestId, provider, model, mode, caller, preset, owner, createdAt, fingerprint } = row
  return [id, requestId, provider, model, mode, caller, preset, owner, createdAt, fingerprint, ...movedValues(row)]
}

/** The row as one text that any later reading of the same columns gives again; absent columns are left out. */
export function attemptText(row: AttemptRow): string {
  const values = insertValues(row)
  return JSON.stringify(Object.fromEntries(columns.map((column, at) => [column, values[at]])))
}

export function updateValues(row: AttemptRow): readonly Bound[] {
  return [...movedValues(row), row.id]
}

function movedValues(row: AttemptRow): readonly Bound[] {
  const payment = row.payment
  return [
    row.state,
    row.heldUsd.toString(),
    row.owedUsd?.toString(),
    row.reason,
    row.updatedAt,
    payment?.protocol,
    payment?.scheme,
    payment?.network,
    payment?.asset,
    payment?.decimals,
    payment?.payer,
    payment?.payee,
    payment?.amountAuthorized.toString(),
    payment?.nonce,
    payment?.validBeforeSeconds.toString(),
    payment?.resource,
    payment?.bodyDigest,
    payment?.amountSettled?.toString(),
    payment?.settledUsd?.toString(),
    payment?.transaction,
    payment?.blockNumber?.toString(),
    payment?.logIndex,
    payment?.finality,
    // Rows older than the column have none, and the journal's hashes cover them as they were written.
    payment?.proof === FIRST_PROOF ? undefined : payment?.proof,
    payment?.particulars === undefined ? undefined : JSON.stringify(payment.particulars),
  ]
}

export function readAttempt(row: Row): AttemptRow {
  return {
    id: textOf(row, 'id'),
    requestId: textOf(row, 'request_id'),
    provider: textOf(row, 'provider'),
    model: textOf(row, 'model'),
    mode: textOf(row, 'mode'),
    state: oneOf(row, 'state', attemptStates),
    heldUsd: amountOf(row, 'held_usd'),
    ...(present({
      caller: optional(row, 'caller', textOf),
      preset: optional(row, 'preset', textOf),
      fingerprint: optional(row, 'fingerprint', textOf),
      owedUsd: optional(row, 'owed_usd', amountOf),
      reason: optional(row, 'reason', textOf),
      payment: row['nonce'] === null ? undefined : readPayment(row),
    }) as Partial<AttemptRow>),
    owner: textOf(row, 'owner'),
    createdAt: numberOf(row, 'created_at'),
    updatedAt: numberOf(row, 'updated_at'),
  }
}

const protocols = ['x402-1', 'x402-2', 'mpp'] as const satisfies readonly AttemptPayment['protocol'][]
const hexOf = (row: Row, column: string) => textOf(row, column) as `0x${string}`

function readPayment(row: Row): AttemptPayment {
  const settled = { amountSettled: optional(row, 'amount_settled', amountOf), settledUsd: optional(row, 'settled_usd', amountOf) }
  const evidence = {
    transaction: optional(row, 'transaction_hash', textOf),
    blockNumber: optional(row, 'block_number', amountOf),
    logIndex: optional(row, 'log_index', numberOf),
    finality: optional(row, 'finality', (own, column) => oneOf(own, column, finalities)),
  }
  return {
    protocol: oneOf(row, 'protocol', protocols),
    scheme: textOf(row, 'scheme'),
    network: textOf(row, 'network'),
    asset: textOf(row, 'asset'),
    decimals: numberOf(row, 'decimals'),
    payer: textOf(row, 'payer'),
    payee: textOf(row, 'payee'),
    amountAuthorized: amountOf(row, 'amount_authorized'),
    nonce: hexOf(row, 'nonce'),
    validBeforeSeconds: amountOf(row, 'valid_before'),
    resource: textOf(row, 'resource'),
    bodyDigest: textOf(row, 'body_digest'),
    proof: optional(row, 'proof', textOf) ?? FIRST_PROOF,
    ...(present({ particulars: optional(row, 'particulars', readParticulars), ...settled, ...evidence }) as Partial<AttemptPayment>),
  }
}

function readParticulars(row: Row, column: string): Readonly<Record<string, string>> {
  const value = tryParseJson(textOf(row, column))
  if (!isRecord(value) || Object.values(value).some((each) => typeof each !== 'string')) throw damaged(column)
  return value as Readonly<Record<string, string>>
}
