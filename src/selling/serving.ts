/** Serves an answer that is being paid for: judges the payment, has the request completed, and hands over what it came to. */
import { amend, RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Completion } from '../gateway/call.ts'
import type { SaleRow } from '../ledger/sale.ts'
import { unknownSettlement, type Collector } from './collector.ts'
import { hasLost, isCoveredBeside } from './cover.ts'
import { deliver, type Delivering } from './deliver.ts'
import { collectInTime, endInTime, type Early } from './in-time.ts'
import type { Judged } from './judging.ts'
import { quoteOf, required, type Order, type SellingOptions } from './order.ts'
import { budgetOf, purchase } from './quote.ts'
import type { Through } from './till.ts'

/** An order with its payment. */
export type Serving = Order &
  Judged & {
    readonly collector: Collector
  }

/**
 * Everything that fails before the first part leaves the payment as it was: it may be sent again, or expire. One that had to be
 * collected before is its payer's credit.
 */
export async function serveNew(sale: SaleRow, serving: Serving, options: SellingOptions): Promise<Completion> {
  const { tender, collector } = serving
  const { sales } = options.context.ledger
  const giveUp = async (reason: string) => {
    const now = options.context.clock.now()
    await tender.cancel()
    await sales.end(sale.id, { state: 'void', reason, now })
    await sales.release(sale.id, undefined, now)
  }
  let early: Early | undefined
  let isDelivered = false
  try {
    const { isLost } = await requireValid(sale, serving, options)
    early = isLost ? await collectFirst(sale, serving, options) : collectInTime(sale, tender, collector, options.context)
    const completion = await begin(sale, serving, options)
    await early.stop()
    const collecting = early.begun()
    // The answer to an earlier request of the same caller and key: he has paid for it already.
    if (completion.head.replayed === true && collecting === undefined) {
      await giveUp('replayed')
      return completion
    }
    isDelivered = true
    return await deliver(completion, { ...delivering(sale, serving, options), ...(collecting === undefined ? {} : { collecting }) })
  } catch (thrown) {
    await early?.stop()
    const error = toRouteplaneError(thrown)
    if (early?.begun() !== undefined && !isDelivered) {
      await sales.release(sale.id, undefined, options.context.clock.now())
      throw amend(error, { hint: 'The payment is collected; the same request with the same payment is answered without another.' })
    }
    const now = await sales.get(sale.id)
    if (now?.state === 'claimed') await giveUp(error.code)
    throw error
  }
}

/** Nobody's payment: whoever sends junk leaves no trace in the books. */
async function requireValid(sale: SaleRow, serving: Serving, options: SellingOptions): Promise<{ readonly isLost: boolean }> {
  await serving.tender.takeOver?.()
  const [verdict, isCovered, isLost] = await Promise.all([
    serving.verify(),
    isCoveredBeside(sale, serving, options),
    hasLost(serving.tender, options),
  ])
  const isTooLate = isLost && serving.tender.charging === 'usage'
  if (verdict.valid && isCovered && !isTooLate) return { isLost }
  if (verdict.valid) await serving.tender.cancel()
  const reason = !verdict.valid ? verdict.reason : isCovered ? UNPAID : UNCOVERED
  const refusal =
    !verdict.valid && verdict.isGone === true
      ? new RouteplaneError('channel_closed', reason, { hint: 'Open another: the 402 of the request without a payment says how.' })
      : await required(serving, reason, options, serving.tender)
  await options.context.ledger.sales.forget(sale.id)
  throw refusal
}

const UNCOVERED = 'insufficient_funds: other payments of this payer are yet to be collected'
const UNPAID =
  'unpaid_before: an earlier payment could not be collected; pay by a scheme that is collected before the answer, such as exact'

/** Collects before any provider is asked. @throws RouteplaneError `payment_required`, `settlement_unknown`. */
async function collectFirst(sale: SaleRow, serving: Serving, options: SellingOptions): Promise<Early> {
  const { collector, tender } = serving
  const { ledger, clock } = options.context
  await collector.owe(sale, sale.amountOffered)
  const settlement = await collector.collect(sale, tender, sale.amountOffered)
  if (settlement.state === 'settled') return { begun: () => Promise.resolve(settlement), stop: () => Promise.resolve() }
  await ledger.sales.release(sale.id, undefined, clock.now())
  throw settlement.state === 'refused' ? await required(serving, settlement.reason, options, tender) : unknownSettlement(sale.id)
}

/** Serves what is paid for already and was not delivered. */
export async function serveOnCredit(
  sale: SaleRow,
  serving: Serving,
  options: SellingOptions,
  receipt: Readonly<Record<string, string>>,
): Promise<Completion> {
  try {
    const completion = await begin(sale, serving, options)
    return await deliver(completion, { ...delivering(sale, serving, options), paidBefore: receipt })
  } catch (thrown) {
    await options.context.ledger.sales.release(sale.id, undefined, options.context.clock.now())
    throw thrown
  }
}

function delivering(sale: SaleRow, serving: Serving, options: SellingOptions): Delivering {
  const { terms, context } = options
  const { tender, collector, call } = serving
  return {
    sale,
    tender,
    collector,
    terms,
    ledger: context.ledger,
    clock: context.clock,
    endLine: context.protocols.find(({ id }) => id === call.wire?.protocol)?.caller.endLine,
    through: throughOf(serving, options),
    refusal: (reason) => required(serving, reason, options, tender),
  }
}

/** A stream goes on at the pace of its payer's vouchers, where he pays so. */
function throughOf(serving: Serving, options: SellingOptions): Through | undefined {
  if (serving.tender.pace === undefined) return undefined
  const { pace } = quoteOf(serving, options)
  return pace === undefined ? undefined : serving.tender.pace(pace)
}

/** A caller who leaves before the first part ends the work; after it, {@link deliver} decides. */
async function begin(sale: SaleRow, { call, tender, promisedUsd }: Serving, options: SellingOptions): Promise<Completion> {
  const { terms, context } = options
  const own = new AbortController()
  const leave = () => own.abort(call.signal.reason)
  call.signal.addEventListener('abort', leave, { once: true })
  if (tender.charging === 'usage') endInTime(own, tender, context)
  try {
    const agreed = { priceUsd: sale.priceUsd, isPromised: promisedUsd !== undefined }
    const capUsd = budgetOf(call, agreed, terms, context.rules.perRequestUsd)
    const bought = purchase(call, terms, capUsd)
    return await options.complete({ ...bought, caller: `payer:${tender.payment.payer.toLowerCase()}`, signal: own.signal })
  } finally {
    call.signal.removeEventListener('abort', leave)
  }
}
