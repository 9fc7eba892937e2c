/** One payment as flat text columns, the same in CSV, JSON and on the screen. */
import type { AttemptRow } from '../ledger/entry.ts'
import { receiptStatus } from '../ledger/rules.ts'
import { usdText } from './output.ts'

export const receiptColumns = [
  'id',
  'request_id',
  'created_at',
  'updated_at',
  'state',
  'status',
  'reason',
  'provider',
  'model',
  'mode',
  'held_usd',
  'owed_usd',
  'settled_usd',
  'protocol',
  'scheme',
  'network',
  'asset',
  'decimals',
  'payer',
  'payee',
  'amount_authorized',
  'amount_settled',
  'nonce',
  'valid_before',
  'transaction',
  'block_number',
  'finality',
  'resource',
] as const

/** `null` where nothing is known. US dollars are decimal strings, amounts base units of the asset. */
export type ReceiptValue = Readonly<Record<(typeof receiptColumns)[number], string | null>>

export function receiptValue(row: AttemptRow): ReceiptValue {
  const { payment } = row
  return {
    id: row.id,
    request_id: row.requestId,
    created_at: new Date(row.createdAt).toISOString(),
    updated_at: new Date(row.updatedAt).toISOString(),
    state: row.state,
    status: receiptStatus(row),
    reason: row.reason ?? null,
    provider: row.provider,
    model: row.model,
    mode: row.mode,
    held_usd: usdText(row.heldUsd),
    owed_usd: usdText(row.owedUsd),
    settled_usd: usdText(payment?.settledUsd),
    protocol: payment?.protocol ?? null,
    scheme: payment?.scheme ?? null,
    network: payment?.network ?? null,
    asset: payment?.asset ?? null,
    decimals: text(payment?.decimals),
    payer: payment?.payer ?? null,
    payee: payment?.payee ?? null,
    amount_authorized: text(payment?.amountAuthorized),
    amount_settled: text(payment?.amountSettled),
    nonce: payment?.nonce ?? null,
    valid_before: payment === undefined ? null : isoSeconds(payment.validBeforeSeconds),
    transaction: payment?.transaction ?? null,
    block_number: text(payment?.blockNumber),
    finality: payment?.finality ?? null,
    resource: payment?.resource ?? null,
  }
}

function text(value: bigint | number | undefined): string | null {
  return value === undefined ? null : value.toString()
}

/** The last second a date can hold is far beyond any validity we sign, but not beyond what a ledger row can say. */
function isoSeconds(seconds: bigint): string {
  return seconds > 8_640_000_000_000n ? seconds.toString() : new Date(Number(seconds) * 1000).toISOString()
}
