/** Compares a receipt with the chain: the transfer and its authorization must be there, and say the same. */
import type { AttemptRow } from '../ledger/entry.ts'
import { RENEWED } from '../ledger/rules.ts'
import { gatherEvidence, proofOf } from './proof/index.ts'
import type { ProofSources } from './proof/proof.ts'

export type Check = { readonly check: string; readonly ok: boolean; readonly detail: string }
export type Verification = { readonly receiptId: string; readonly verified: boolean; readonly checks: readonly Check[] }

/** Reads the chain anew for every check; nothing of the receipt is taken on trust but what to look for. */
export async function verifyReceipt(row: AttemptRow, sources: ProofSources): Promise<Verification> {
  const checks = row.payment === undefined ? [noPayment(row)] : await checkPayment(row, sources)
  return { receiptId: row.id, verified: checks.every(({ ok }) => ok), checks }
}

function noPayment(row: AttemptRow): Check {
  return {
    check: 'payment',
    ok: false,
    detail: `nothing was signed for this attempt (${row.state}${row.reason === undefined ? '' : `: ${row.reason}`})`,
  }
}

async function checkPayment(row: AttemptRow, sources: ProofSources): Promise<readonly Check[]> {
  const { payment } = row
  if (payment === undefined) return [noPayment(row)]
  const evidence = await gatherEvidence(payment, payment.transaction === undefined ? sources : { ...sources, claimed: payment.transaction })
  if (evidence.state === 'open') return [{ check: 'settlement', ok: false, detail: evidence.reason }]
  if (evidence.state !== 'settled') {
    const unpaid = row.state === 'released'
    return [{ check: 'settlement', ok: unpaid, detail: `no money moved: ${evidence.reason}` }]
  }
  // The evidence was looked up by payer, payee and nonce; what is left is whether the books agree.
  const { mayChargeLess, describe } = proofOf(payment)
  const found = describe(payment)
  return [
    { check: 'payer', ok: true, detail: found.payer },
    { check: 'payee', ok: true, detail: found.payee },
    {
      check: 'amount',
      ok:
        (mayChargeLess || payment.particulars?.[RENEWED] !== undefined
          ? evidence.amount <= payment.amountAuthorized
          : evidence.amount === payment.amountAuthorized) && (payment.amountSettled ?? evidence.amount) === evidence.amount,
      detail: `${evidence.amount} base units on chain, ${payment.amountAuthorized} authorized`,
    },
    {
      check: 'transaction',
      ok: payment.transaction === undefined || payment.transaction === evidence.transaction,
      detail: `${evidence.transaction ?? 'none'} in block ${evidence.blockNumber ?? 'unknown'} (${evidence.finality})`,
    },
    { check: 'ledger', ok: row.state === 'settled', detail: `the ledger says ${row.state}` },
  ]
}
