/** Whether a failed attempt moves on, how far, or goes to the caller. */
import { isCommitted, type ErrorCode, type RouteplaneError } from '../errors.ts'

export type FallThroughOptions = {
  readonly onUnknown: 'wait' | 'fail' | 'allow_double'
  /** The caller has left or the deadline has passed. */
  readonly aborted: boolean
}

/**
 * `next-mode` when the failure lay in the key or the payment, so that the same endpoint may still be paid another way;
 * `next-endpoint` when the endpoint itself failed and another way of paying it would only fail, or cost, once more.
 */
export type FallThrough = 'next-mode' | 'next-endpoint' | 'caller'

/** Faults that a second provider would only repeat. */
const callersFault = new Set([400, 413, 422])

/** The provider's account, not the request: our key or our payment for it was not taken. */
const accessFault = new Set([401, 402, 403])

/** Limits and rules of one provider that the next need not have, whatever the status they come with. */
const providersOwnRule = new Set(['context_length_exceeded', 'content_policy_violation', 'content_filter'])

/** Codes that mean a payment did not come about, and that nothing was signed for it. */
const paymentFault = new Set<ErrorCode>([
  'budget_exceeded',
  'price_above_cap',
  'insufficient_funds',
  'payment_rejected',
  'bad_challenge',
  'bad_payee',
  'payee_mismatch',
  'unknown_asset',
  'unknown_network',
  'unsupported_scheme',
  'challenge_expired',
  'price_mismatch',
  'policy_refused',
  'wallet_locked',
])

/**
 * Decides what follows a failure before the first part; after it nobody asks.
 *
 * Once a signature left, another payment may only follow when the first is proven dead (then the error says
 * `untouched`), or when the caller has agreed to the risk of paying twice.
 *
 * @see Routing guide, section 7
 */
export function fallThrough(error: RouteplaneError, options: FallThroughOptions): FallThrough {
  if (options.aborted || error.code === 'cancelled') return 'caller'
  if (isCommitted(error.money)) return options.onUnknown === 'allow_double' ? 'next-endpoint' : 'caller'
  const { status, upstreamCode } = error.details
  if (typeof upstreamCode === 'string' && providersOwnRule.has(upstreamCode)) return 'next-endpoint'
  if (paymentFault.has(error.code)) return 'next-mode'
  if (typeof status === 'number') return ofStatus(status)
  return error.fault === 'upstream' ? 'next-endpoint' : 'caller'
}

function ofStatus(status: number): FallThrough {
  if (callersFault.has(status)) return 'caller'
  return accessFault.has(status) ? 'next-mode' : 'next-endpoint'
}
