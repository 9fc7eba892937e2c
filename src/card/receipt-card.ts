/** A payment attempt as every surface shows it: amounts as strings, times as ISO 8601, unknown left out. */
import { receiptStatus } from '../ledger/rules.ts'
import { formatUsd } from '../money.ts'
import type { ReceiptView, Verification } from '../routeplane.ts'

type Receipt = NonNullable<Awaited<ReturnType<ReceiptView['get']>>>
type Payment = NonNullable<Receipt['payment']>

export function receiptCard(receipt: Receipt): Readonly<Record<string, unknown>> {
  return {
    id: receipt.id,
    object: 'receipt',
    request_id: receipt.requestId,
    provider: receipt.provider,
    model: receipt.model,
    payment_mode: receipt.mode,
    state: receipt.state,
    status: receiptStatus(receipt),
    held_usd: formatUsd(receipt.heldUsd),
    owed_usd: receipt.owedUsd === undefined ? undefined : formatUsd(receipt.owedUsd),
    reason: receipt.reason,
    payment: receipt.payment === undefined ? undefined : paymentCard(receipt.payment),
    created_at: new Date(receipt.createdAt).toISOString(),
    updated_at: new Date(receipt.updatedAt).toISOString(),
  }
}

function paymentCard(payment: Payment): Readonly<Record<string, unknown>> {
  return {
    protocol: payment.protocol,
    scheme: payment.scheme,
    network: payment.network,
    asset: payment.asset,
    decimals: payment.decimals,
    payer: payment.payer,
    payee: payment.payee,
    amount_authorized: payment.amountAuthorized.toString(),
    amount_settled: payment.amountSettled?.toString(),
    settled_usd: payment.settledUsd === undefined ? undefined : formatUsd(payment.settledUsd),
    nonce: payment.nonce,
    valid_before: new Date(Number(payment.validBeforeSeconds) * 1000).toISOString(),
    resource: payment.resource,
    body_digest: payment.bodyDigest,
    transaction: payment.transaction,
    block_number: payment.blockNumber?.toString(),
    log_index: payment.logIndex,
    finality: payment.finality,
  }
}

export function verificationCard(verification: Verification): Readonly<Record<string, unknown>> {
  return { about: verification.about, verified: verification.verified, checks: verification.checks }
}
