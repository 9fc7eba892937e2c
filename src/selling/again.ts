/** A payment that was claimed before: its answer again, another try, or why there is neither. It is never charged twice. */
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { Completion } from '../gateway/call.ts'
import { replayAnswer } from '../gateway/kept-answer.ts'
import type { SaleClaimed } from '../ledger/sale.ts'
import { required, type SellingOptions } from './order.ts'
import { serveOnCredit, type Serving } from './serving.ts'

/** Times that one payment may have its answer begun anew, when the provider broke off what was paid for. */
const MAX_TRIES = 4
const RUNNING_RETRY_MS = 1_000

/** @throws RouteplaneError `payment_in_progress`, `payment_already_used`, `answer_lost`, `settlement_unknown`, `payment_required`. */
export async function serveAgain(
  claimed: Exclude<SaleClaimed, { readonly kind: 'new' }>,
  serving: Serving,
  options: SellingOptions,
): Promise<Completion> {
  const { sale, kind } = claimed
  if (kind === 'conflict') {
    await requireInStep(serving, options)
    throw new RouteplaneError('payment_already_used', 'this payment was made for another request', {
      hint: 'Send the request that it was made for, or a new payment.',
      details: { sale: sale.id },
    })
  }
  if (kind === 'running') {
    throw new RouteplaneError('payment_in_progress', 'the request of this payment is being answered', {
      hint: 'Send the same request and payment again to get its answer.',
      retryAfterMs: RUNNING_RETRY_MS,
      details: { sale: sale.id },
    })
  }
  const release = () => options.context.ledger.sales.release(sale.id, undefined, options.context.clock.now())
  const { receipt } = await serving.collector.collected(sale, serving.tender).catch(async (thrown: unknown) => {
    if (kind === 'credit') await release()
    const error = toRouteplaneError(thrown)
    throw error.code === 'payment_required' ? await required(serving, error.message, options) : error
  })
  if (kind === 'kept') return { ...replayAnswer(claimed.answer), sale: { id: sale.id, receipt: () => receipt } }
  if (serving.tender.charging === 'usage') {
    await release()
    throw new RouteplaneError('payment_already_used', 'what was delivered for this payment is paid for, and the rest was left', {
      hint: 'Pay for another request.',
      details: { sale: sale.id },
    })
  }
  if (sale.tries > MAX_TRIES) {
    await release()
    throw new RouteplaneError('answer_lost', 'the answer to this payment broke off too often', {
      money: 'settled',
      details: { sale: sale.id },
    })
  }
  return serveOnCredit(sale, serving, options, receipt)
}

/**
 * A payer who has not heard what his last answer came to, as after a stream, whose headers left before that was known, promises
 * for the next one what he has promised before: he means another payment, and is told how it has to read.
 */
async function requireInStep(serving: Serving, options: SellingOptions): Promise<void> {
  if (serving.tender.isCorrected !== true) return
  const verdict = await serving.tender.verify()
  if (!verdict.valid) throw await required(serving, verdict.reason, options, serving.tender)
  await serving.tender.cancel()
}
