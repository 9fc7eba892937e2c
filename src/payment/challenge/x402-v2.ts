/** x402 version 2 over HTTP: `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE` and `PAYMENT-RESPONSE`, each base64 of JSON. */
import { encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload } from '@x402/core/types'
import { PaymentRequiredV2Schema } from '@x402/core/schemas'
import { headerOf } from '../../lib/http-call.ts'
import type { ChallengeFormat, Terms } from './challenge.ts'
import { identifyPayment } from './payment-identifier.ts'
import { checkCount, decodeHeader, errorOf, readClaimHeader, termsOf, unlike, type WireOffer } from './x402-fields.ts'

type WireRequirement = WireOffer & { readonly amount: string }

/** @see https://github.com/coinbase/x402/blob/main/specs/transports-v2/http.md */
export const x402V2: ChallengeFormat = {
  id: 'x402-v2',
  protocol: 'x402-2',

  read(response) {
    const header = headerOf(response.headers, 'payment-required')
    if (header === undefined) return undefined
    const json = decodeHeader('PAYMENT-REQUIRED', header)
    const parsed = PaymentRequiredV2Schema.safeParse(json)
    if (!parsed.success) throw unlike('its PAYMENT-REQUIRED header is not a version 2 challenge', parsed.error)
    const { accepts, error } = parsed.data
    checkCount(accepts)
    const asWritten = json as { readonly accepts: readonly unknown[]; readonly resource: unknown; readonly extensions?: unknown }
    return {
      terms: accepts.map((requirement, at) => toTerms(requirement as WireRequirement, asWritten.accepts[at])),
      resource: asWritten.resource,
      extensions: asWritten.extensions,
      ...errorOf(error),
    }
  },

  attach(payload, terms, challenge, besides) {
    const named = besides === undefined ? undefined : identifyPayment(challenge.extensions, besides.attemptId)
    const extensions = besides?.extensions === undefined ? named : { ...named, ...besides.extensions }
    // Both are echoed as they came: their own schema has read them, and the seller compares them with what it sent.
    const echo = { x402Version: 2, resource: challenge.resource, accepted: terms.raw, payload }
    const signed = (extensions === undefined ? echo : { ...echo, extensions }) as PaymentPayload
    return { 'PAYMENT-SIGNATURE': encodePaymentSignatureHeader(signed) }
  },

  readClaim: (response) => readClaimHeader(headerOf(response.headers, 'payment-response')),
}

/** @param raw - The offer before the schema took out what it does not know: sellers compare the echo member by member. */
function toTerms(requirement: WireRequirement, raw: unknown): Terms {
  const { network, amount } = requirement
  return termsOf(requirement, { format: 'x402-v2', network, amount, raw })
}
