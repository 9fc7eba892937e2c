/** x402's `payment-identifier`: a name that stays the same however often a payment is sent, for sellers who ask for one. */
import { isRecord } from '../../lib/json.ts'

const KEY = 'payment-identifier'

/**
 * What a payment says back to the extensions of its 402: the seller's own declaration with our name in it, and nothing to the
 * others, which we do not take part in.
 *
 * @param declared - The 402's `extensions`, as they came.
 * @returns `undefined` when no identifier is asked for.
 * @see https://github.com/coinbase/x402/blob/main/specs/extensions/payment_identifier.md
 */
export function identifyPayment(declared: unknown, attemptId: string): Readonly<Record<string, unknown>> | undefined {
  const extension = isRecord(declared) ? declared[KEY] : undefined
  if (!isRecord(extension) || !isRecord(extension['info'])) return undefined
  return { [KEY]: { ...extension, info: { ...extension['info'], id: `pay_${attemptId}` } } }
}
