/** x402 version 1 over HTTP: offers in the 402's body, `X-PAYMENT` and `X-PAYMENT-RESPONSE`, networks by short names. */
import { PaymentRequiredV1Schema } from '@x402/core/schemas'
import { findNetworkByV1Name } from '../../chain/networks.ts'
import { headerOf } from '../../lib/http-call.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { ChallengeFormat, Terms } from './challenge.ts'
import { checkCount, errorOf, MAX_DEPTH, readClaimHeader, termsOf, unlike, type WireOffer } from './x402-fields.ts'

type WireRequirement = WireOffer & { readonly maxAmountRequired: string }

/** @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v1.md */
export const x402V1: ChallengeFormat = {
  id: 'x402-v1',
  protocol: 'x402-1',

  read(_response, body) {
    const json = tryParseJson(body, MAX_DEPTH)
    if (!isRecord(json) || json['x402Version'] !== 1) return undefined
    const parsed = PaymentRequiredV1Schema.safeParse(json)
    if (!parsed.success) throw unlike('its body is not a version 1 challenge', parsed.error)
    const { accepts, error } = parsed.data
    checkCount(accepts)
    return { terms: accepts.map((requirement) => toTerms(requirement as WireRequirement)), resource: undefined, ...errorOf(error) }
  },

  attach(payload, terms) {
    const { scheme, network } = terms.raw as WireRequirement
    const signed = { x402Version: 1, scheme, network, payload }
    return { 'X-PAYMENT': Buffer.from(JSON.stringify(signed)).toString('base64') }
  },

  readClaim: (response) => readClaimHeader(headerOf(response.headers, 'x-payment-response')),
}

/** A short name that is not in our table stays as it is, and the judge refuses it as an unknown network. */
function toTerms(requirement: WireRequirement): Terms {
  const network = findNetworkByV1Name(requirement.network)?.network ?? requirement.network
  return termsOf(requirement, { format: 'x402-v1', network, amount: requirement.maxAmountRequired, raw: requirement })
}
