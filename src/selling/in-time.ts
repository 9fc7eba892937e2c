/** Sees to it that a payment is collected while it is good: before its answer begins, or by ending that in time. */
import { RouteplaneError } from '../errors.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { SaleRow } from '../ledger/sale.ts'
import type { Collector } from './collector.ts'
import type { Settlement, Tender } from './till.ts'

export type Early = {
  /** The settlement, once it has begun. */
  begun(): Promise<Settlement> | undefined
  /** From here on the answer's own bill collects. @returns when nothing can begin any more. */
  stop(): Promise<void>
}

/** Seconds before its end at which a payment is collected at the latest: a block has to take it. */
const COLLECTING_SECONDS = 10
/** No answer takes longer; timers cannot wait for ever. */
const MAX_ANSWER_SECONDS = 86_400

/**
 * Collects a payment before its answer begins, when it would not live to see it: what then fails is its payer's credit. Metered
 * ones are not collected before anybody knows what they come to.
 */
export function collectInTime(
  sale: SaleRow,
  tender: Tender,
  collector: Collector,
  { clock, log }: Pick<GatewayContext, 'clock' | 'log'>,
): Early {
  const seconds = Number(tender.payment.validBeforeSeconds) - Math.floor(clock.now() / 1_000) - COLLECTING_SECONDS
  if (tender.charging === 'usage' || seconds > MAX_ANSWER_SECONDS) return { begun: () => undefined, stop: () => Promise.resolve() }
  let beginning: Promise<void> | undefined
  let settlement: Promise<Settlement> | undefined
  const begin = async () => {
    await collector.owe(sale, sale.amountOffered)
    settlement = collector.collect(sale, tender, sale.amountOffered)
    settlement.catch(() => {})
  }
  const timer = setTimeout(
    () => {
      beginning = begin().catch((error: unknown) =>
        log.warn('a payment could not be collected in time', { sale: sale.id, cause: String(error) }),
      )
    },
    Math.max(0, seconds * 1_000),
  ).unref()
  return {
    begun: () => settlement,
    async stop() {
      clearTimeout(timer)
      await beginning
    },
  }
}

/** What is delivered after a metered payment has expired, or after somebody else has what it is taken out of, could never be collected. */
export function endInTime(
  own: AbortController,
  { payment, heldSeconds = Infinity }: Tender,
  { clock }: Pick<GatewayContext, 'clock'>,
): void {
  const leftSeconds = Number(payment.validBeforeSeconds) - Math.floor(clock.now() / 1000)
  const seconds = Math.min(leftSeconds, heldSeconds) - COLLECTING_SECONDS
  if (seconds > MAX_ANSWER_SECONDS) return
  const end = () => own.abort(new RouteplaneError('upstream_timeout', 'the payment holds no longer, so the answer ends here'))
  AbortSignal.timeout(Math.max(0, seconds * 1_000)).addEventListener('abort', end, { once: true })
}
