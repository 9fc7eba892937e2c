/** x402 version 1 over HTTP: offers in the 402's body, `X-PAYMENT` and `X-PAYMENT-RESPONSE`, networks by short names. */
import { PaymentRequiredV1Schema } from '@x402/core/schemas'
import { findNetworkByV1Name } from '../../chain/networks.ts'
import { headerOf } from '../../lib/http-call.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import type { ChallengeFormat, Terms } from './challenge.ts'
import { badChallenge, checkCount, errorOf, MAX_DEPTH, readClaimHeader, readExtra } from './x402-fields.ts'

type WireRequirement = {
  readonly scheme: string
  readonly network: string
  readonly maxAmountRequired: string
  readonly asset: string
  readonly payTo: string
  readonly maxTimeoutSeconds: number
  readonly extra?: Readonly<Record<string, unknown>> | null | undefined
}

/** @see https://github.com/coinbase/x402/blob/main/specs/x402-specification-v1.md */
export const x402V1: ChallengeFormat = {
  id: 'x402-v1',
  protocol: 'x402-1',

  read(_response, body) {
    const json = tryParseJson(body, MAX_DEPTH)
    if (!isRecord(json) || json['x402Version'] !== 1) return undefined
    const parsed = PaymentRequiredV1Schema.safeParse(json)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw badChallenge(`its body is not a version 1 challenge (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`)
    }
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
  const { scheme, network, asset, maxAmountRequired, payTo, maxTimeoutSeconds, extra } = requirement
  const id = findNetworkByV1Name(network)?.network ?? network
  return {
    format: 'x402-v1',
    scheme,
    network: id,
    asset,
    amount: maxAmountRequired,
    payTo,
    maxTimeoutSeconds,
    ...readExtra(extra ?? {}, id),
    raw: requirement,
  }
}
