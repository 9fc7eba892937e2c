/** Hands a sold answer over: collects beside it or after it, holds its end until then, and keeps it for who comes again. */
import type { CompletionPart } from '../completion/part.ts'
import type { RouteplaneError } from '../errors.ts'
import type { Completion, CompletionSummary } from '../gateway/call.ts'
import { recordAnswer } from '../gateway/kept-answer.ts'
import type { KeptAnswer, Ledger } from '../ledger/ledger.ts'
import type { SaleRow } from '../ledger/sale.ts'
import type { Clock } from '../lib/clock.ts'
import type { Atomic } from '../money.ts'
import { atMost, withMargin, type ChargeTerms } from './charge.ts'
import { unknownSettlement, type Collector } from './collector.ts'
import { drain, holdEnd, splitAt, splitParts } from './hold-end.ts'
import { settlementOf, type Closer, type Knowledge, type Verdict } from './settlement-matrix.ts'
import type { Settlement, Tender, Through } from './till.ts'

export type Delivering = {
  readonly sale: SaleRow
  readonly tender: Tender
  readonly collector: Collector
  readonly terms: ChargeTerms
  readonly ledger: Ledger
  readonly clock: Clock
  /** The line with which the caller's wire ends a stream. */
  readonly endLine: RegExp | undefined
  /** What proves the payment that was collected for an answer that did not come; absent when nothing was collected yet. */
  readonly paidBefore?: Readonly<Record<string, string>>
  /** The settlement of a payment that had to be collected before its answer began. */
  readonly collecting?: Promise<Settlement>
  /** Gives a stream of events on at the pace of its payment; absent where nothing has to keep step. */
  readonly through: Through | undefined
  /** The error of a payment that moved nothing and never will. */
  refusal(reason: string): Promise<RouteplaneError>
}

/**
 * Gives the answer as it may be passed on. From here on its caller owes for it.
 *
 * @throws RouteplaneError for a whole answer that is not paid: `settlement_unknown`, or {@link Delivering.refusal}.
 */
export async function deliver(completion: Completion, delivering: Delivering): Promise<Completion> {
  const bill = await openBill(completion, delivering)
  let isLeft = false
  const recorded = recordAnswer(completion, async (kept, failure) => {
    const { errorCode } = await completion.closed
    const closedBy = failure !== undefined || errorCode !== undefined ? 'provider' : isLeft ? 'caller' : 'end'
    await bill.close(closedBy, kept)
  })
  const left = async (rest: AsyncIterator<unknown>) => {
    // What is paid whole is made whole, and stays to be fetched.
    if (bill.isWhole) return void drain(rest).catch(() => {})
    isLeft = true
    await rest.return?.()
  }
  const { through } = delivering
  const sale = { id: delivering.sale.id, receipt: bill.receipt, ...(through === undefined ? {} : { through }) }
  const { answer } = recorded
  const { paid } = bill
  if (answer.lane === 'translate') {
    const parts = holdEnd<readonly CompletionPart[]>(answer.parts, { split: splitParts, paid, left })
    return { ...recorded, sale, answer: { ...answer, parts } }
  }
  const { body } = answer
  if (!(body instanceof Uint8Array)) {
    return { ...recorded, sale, answer: { ...answer, body: holdEnd<Uint8Array>(body, { split: splitAt(delivering.endLine), paid, left }) } }
  }
  await recorded.closed
  await paid()
  return { ...recorded, sale }
}

type Bill = {
  /** Whether all of it is paid whatever is delivered. */
  readonly isWhole: boolean
  /** Decides, collects, and lets go of the sale. */
  close(closedBy: Closer, kept: KeptAnswer | undefined): Promise<void>
  /** Resolves when the closed bill is paid. */
  paid(): Promise<void>
  receipt(): Readonly<Record<string, string>>
}

/** A quoted payment is due before the first part leaves, and is collected from then on. */
async function openBill(completion: Completion, delivering: Delivering): Promise<Bill> {
  const { sale, tender, collector, ledger, clock, paidBefore, collecting } = delivering
  let receipt = paidBefore ?? {}
  let settlement: Settlement | undefined
  const settledBy = async (collected: Promise<Settlement>) => {
    settlement = await collected
    if (settlement.state === 'settled') receipt = settlement.headers
  }
  const isBeside = paidBefore === undefined && tender.charging === 'quote'
  const collect = isBeside && collecting === undefined ? await collector.oweAtOnce(sale, tender, sale.amountOffered) : undefined
  const collected = collecting ?? collect?.()
  const beside = collected === undefined ? undefined : settledBy(collected)
  // Whoever waits for it hears of a failure; until then it is nobody's.
  beside?.catch(() => {})

  return {
    isWhole: tender.charging === 'quote' || paidBefore !== undefined,
    async close(closedBy, kept) {
      const summary = await completion.closed
      const usage = knowledgeOf(summary)
      const delivery = closedBy === 'end' ? 'all' : 'part'
      // Its payer has promised less than it came to: he has not had the end, and does not get it for the same payment.
      let isShort = false
      const verdict = settlementOf({ charging: tender.charging, delivery, closedBy, usage })
      const whole = verdict.again === 'the same answer' ? kept : undefined
      let isKept = false
      if (beside !== undefined) await beside.catch(() => {})
      else if (paidBefore === undefined) {
        const amount = dueOf(verdict, summary, delivering)
        // Whoever is charged has his answer, though we should die over the charging.
        await collector.owe(sale, amount, whole)
        await settledBy(collector.collect(sale, tender, amount))
        isShort = settlement?.state === 'settled' && settlement.amount < amount
        isKept = !isShort
      }
      await ledger.sales.release(sale.id, isKept ? 'owed' : isShort ? undefined : whole, clock.now())
    },
    async paid() {
      if (paidBefore !== undefined || settlement?.state === 'settled') return
      throw settlement?.state === 'refused' ? await delivering.refusal(settlement.reason) : unknownSettlement(sale.id)
    },
    receipt: () => receipt,
  }
}

function knowledgeOf({ usage, costUsd }: CompletionSummary): Knowledge {
  if (costUsd === undefined || usage === undefined) return 'unknown'
  return usage.origin === 'provider' ? 'counted' : 'estimated'
}

function dueOf({ charge }: Verdict, { costUsd }: CompletionSummary, { sale, terms }: Delivering): Atomic {
  if (charge === 'quote' || costUsd === undefined || terms.prices.has(sale.model)) return sale.amountOffered
  return atMost(sale.amountOffered, withMargin(costUsd, terms), sale.decimals)
}
