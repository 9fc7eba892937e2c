/** Compares a receipt with the chain: the transfer and its authorization must be there, and say the same. */
import type { AttemptPayment, AttemptRow } from '../ledger/entry.ts'
import { RENEWED } from '../ledger/rules.ts'
import { formatUsd, type Usd } from '../money.ts'
import { gatherEvidence, proofOf } from './proof/index.ts'
import type { ProofSources } from './proof/proof.ts'

export type Check = { readonly check: string; readonly ok: boolean; readonly detail: string }

/**
 * What a receipt can be compared with: a `payment` with the chain that carries it. A `debt` was agreed and not paid, and comes with
 * its provider's invoice; `nothing` was signed for an attempt that was given up. No chain knows of these two.
 */
export type Verified = 'payment' | 'debt' | 'nothing'

export type Verification = {
  readonly receiptId: string
  readonly about: Verified
  /** Whether the books say what can be proven. */
  readonly verified: boolean
  readonly checks: readonly Check[]
}

/** Reads the chain anew for every check; nothing of the receipt is taken on trust but what to look for. */
export async function verifyReceipt(row: AttemptRow, sources: ProofSources): Promise<Verification> {
  const { id: receiptId, payment, owedUsd } = row
  const about = payment !== undefined ? 'payment' : owedUsd !== undefined ? 'debt' : 'nothing'
  const checks =
    payment !== undefined ? await checkPayment(row, payment, sources) : [owedUsd !== undefined ? debt(row, owedUsd) : unsigned(row)]
  return { receiptId, about, verified: checks.every(({ ok }) => ok), checks }
}

function debt({ provider, createdAt }: AttemptRow, owedUsd: Usd): Check {
  const month = new Date(createdAt).toISOString().slice(0, 7)
  return { check: 'debt', ok: true, detail: `$${formatUsd(owedUsd)} owed to ${provider} for ${month}; nothing was signed for it` }
}

function unsigned({ state, reason }: AttemptRow): Check {
  const why = reason === undefined ? '' : `: ${reason}`
  return { check: 'payment', ok: state === 'released', detail: `nothing was signed for this attempt (${state}${why})` }
}

function failed({ payer, payee }: AttemptPayment): { readonly payer: string; readonly payee: string } {
  return { payer: `the network's fee of a transaction of ${payer}, which failed`, payee: `nothing was paid to ${payee}` }
}

async function checkPayment(row: AttemptRow, payment: AttemptPayment, sources: ProofSources): Promise<readonly Check[]> {
  const evidence = await gatherEvidence(payment, payment.transaction === undefined ? sources : { ...sources, claimed: payment.transaction })
  if (evidence.state === 'open') return [{ check: 'settlement', ok: false, detail: evidence.reason }]
  if (evidence.state !== 'settled') {
    const unpaid = row.state === 'released'
    return [{ check: 'settlement', ok: unpaid, detail: `no money moved: ${evidence.reason}` }]
  }
  // The evidence was looked up by payer, payee and nonce; what is left is whether the books agree.
  const { mayChargeLess, describe } = proofOf(payment)
  const found = evidence.isFeeAlone === true ? failed(payment) : describe(payment)
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
