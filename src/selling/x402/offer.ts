/** Offers that bind themselves: each carries a code over its terms and its request, so that no memory of it is needed. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { PaymentRequirements } from '@x402/core/types'
import { randomBytesOf } from '../../lib/id.ts'
import { stableText } from '../../lib/stable-json.ts'

/** The member of `extra` that carries the binding. */
export const QUOTE = 'quote'

/** What servers of a scheme add to an offer's `extra` to put a client right: no part of the terms. */
const CORRECTIONS: ReadonlySet<string> = new Set([QUOTE, 'channelState', 'voucherState'])

const MARK_BYTES = 9

/** Adds the binding: a mark of its own, until when the offer holds (Unix seconds), and a code that only we can make over all of it. */
export function bindOffer(key: Uint8Array, terms: PaymentRequirements, digest: string, untilSeconds: number): PaymentRequirements {
  // Two payers may ask for the same in the same second: the offer of the one is nothing that the other could show.
  const mark = Buffer.from(randomBytesOf(MARK_BYTES)).toString('base64url')
  const until = untilSeconds.toString()
  const code = codeOf(key, terms, { mark, until, digest })
  return { ...terms, extra: { ...terms.extra, [QUOTE]: `${mark}.${until}.${code}` } }
}

const BINDING = /^([A-Za-z0-9_-]{12})\.(\d{1,12})\.([A-Za-z0-9_-]{43})$/

/** Says why an offer that came back is not one of ours for this request; `undefined` when it is. */
export function offerFault(key: Uint8Array, offer: PaymentRequirements, digest: string, nowSeconds: number): string | undefined {
  const match = BINDING.exec(bindingOf(offer))
  const [, mark = '', until = '', code = ''] = match ?? []
  const expected = codeOf(key, offer, { mark, until, digest })
  if (match === null || !timingSafeEqual(Buffer.from(code), Buffer.from(expected)))
    return 'the payment does not match an offer for this request'
  return Number(until) < nowSeconds ? 'the offer has expired' : undefined
}

/** What binds an offer, whether or not it is one of ours; empty without one. */
export function bindingOf(offer: PaymentRequirements): string {
  const binding = extraOf(offer)[QUOTE]
  return typeof binding === 'string' ? binding : ''
}

/** What came back from a client may have none, whatever the type says: the protocol does not ask for it. */
function extraOf(offer: PaymentRequirements): Record<string, unknown> {
  const { extra }: { readonly extra?: Record<string, unknown> | null } = offer
  return extra ?? {}
}

type Bound = { readonly mark: string; readonly until: string; readonly digest: string }

function codeOf(key: Uint8Array, offer: PaymentRequirements, { mark, until, digest }: Bound): string {
  const { extra: _mayBeMissing, ...terms } = offer
  const own = Object.fromEntries(Object.entries(extraOf(offer)).filter(([name]) => !CORRECTIONS.has(name)))
  return createHmac('sha256', key)
    .update(stableText([mark, until, digest, { ...terms, extra: own }]))
    .digest('base64url')
}
