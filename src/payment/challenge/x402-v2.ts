/** x402 version 2 over HTTP: `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE` and `PAYMENT-RESPONSE`, each base64 of JSON. */
import { encodePaymentSignatureHeader } from '@x402/core/http'
import type { PaymentPayload } from '@x402/core/types'
import { PaymentRequiredV2Schema } from '@x402/core/schemas'
import { RouteplaneError } from '../../errors.ts'
import { headerOf } from '../../lib/http-call.ts'
import { isRecord, parseJson, tryParseJson } from '../../lib/json.ts'
import type { ChallengeFormat, SettlementClaim, Terms } from './challenge.ts'

/** An honest 402 has one to three offers in half a kilobyte; beyond these bounds somebody is probing. */
const MAX_HEADER_CHARACTERS = 8 * 1024
const MAX_OFFERS = 8
const MAX_DEPTH = 12
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

type WireRequirement = {
  readonly scheme: string
  readonly network: string
  readonly amount: string
  readonly asset: string
  readonly payTo: string
  readonly maxTimeoutSeconds: number
  readonly extra?: Readonly<Record<string, unknown>> | null | undefined
}

/** @see https://github.com/coinbase/x402/blob/main/specs/transports-v2/http.md */
export const x402V2: ChallengeFormat = {
  id: 'x402-v2',
  protocol: 'x402-2',

  read(response) {
    const header = headerOf(response.headers, 'payment-required')
    if (header === undefined) return undefined
    const json = decodeHeader(header)
    const parsed = PaymentRequiredV2Schema.safeParse(json)
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw badChallenge(
        `its PAYMENT-REQUIRED header is not a version 2 challenge (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`,
      )
    }
    const { accepts, error } = parsed.data
    if (accepts.length > MAX_OFFERS) throw badChallenge(`it offers ${accepts.length} ways to pay; at most ${MAX_OFFERS} are read`)
    const asWritten = json as { readonly accepts: readonly unknown[]; readonly resource: unknown }
    return {
      terms: accepts.map((requirement, at) => toTerms(requirement as WireRequirement, asWritten.accepts[at])),
      resource: asWritten.resource,
      ...(error === undefined ? {} : { error: error.slice(0, 200) }),
    }
  },

  attach(payload, terms, challenge) {
    // Both are echoed as they came: their own schema has read them, and the seller compares them with what it sent.
    const signed = { x402Version: 2, resource: challenge.resource, accepted: terms.raw, payload } as PaymentPayload
    return { 'PAYMENT-SIGNATURE': encodePaymentSignatureHeader(signed) }
  },

  readClaim(response) {
    const header = headerOf(response.headers, 'payment-response')
    if (header === undefined) return undefined
    if (header.length > MAX_HEADER_CHARACTERS || !BASE64.test(header)) return 'invalid'
    const value = tryParseJson(Buffer.from(header, 'base64').toString('utf8'), MAX_DEPTH)
    return isRecord(value) ? toClaim(value) : 'invalid'
  },
}

function decodeHeader(header: string): unknown {
  if (header.length > MAX_HEADER_CHARACTERS)
    throw badChallenge(`its PAYMENT-REQUIRED header has ${header.length} characters; at most ${MAX_HEADER_CHARACTERS} are read`)
  if (!BASE64.test(header)) throw badChallenge('its PAYMENT-REQUIRED header is not base64')
  try {
    return parseJson(Buffer.from(header, 'base64').toString('utf8'), MAX_DEPTH)
  } catch (cause) {
    throw badChallenge('its PAYMENT-REQUIRED header does not hold JSON', cause)
  }
}

/** @param raw - The offer before the schema took out what it does not know: sellers compare the echo member by member. */
function toTerms(requirement: WireRequirement, raw: unknown): Terms {
  const extra = requirement.extra ?? {}
  const text = (name: string) => (typeof extra[name] === 'string' ? extra[name] : undefined)
  const name = text('name')
  const version = text('version')
  return {
    format: 'x402-v2',
    scheme: requirement.scheme,
    network: requirement.network,
    asset: requirement.asset,
    amount: requirement.amount,
    payTo: requirement.payTo,
    maxTimeoutSeconds: requirement.maxTimeoutSeconds,
    domain: { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) },
    transferMethod: text('assetTransferMethod') ?? 'eip3009',
    paymentFlow: text('paymentFlow') ?? 'authorization',
    raw,
  }
}

function toClaim(value: Record<string, unknown>): SettlementClaim | 'invalid' {
  if (typeof value.success !== 'boolean') return 'invalid'
  const transaction = value.transaction
  return {
    success: value.success,
    ...(typeof transaction === 'string' && /^0x[0-9a-fA-F]{64}$/.test(transaction) ? { transaction: transaction as `0x${string}` } : {}),
    ...(typeof value.errorReason === 'string' ? { errorReason: value.errorReason.slice(0, 120) } : {}),
    ...chargeOf(value['extra']),
  }
}

/** A channel's seller says what it charged; a sum that is no text is handed on as one, for the judge to refuse. */
function chargeOf(extra: unknown): Pick<SettlementClaim, 'charge'> {
  if (!isRecord(extra) || extra['chargedAmount'] === undefined) return {}
  const state = isRecord(extra['channelState']) ? extra['channelState'] : {}
  const { chargedCumulativeAmount: cumulative } = state
  return { charge: { amount: textOf(extra['chargedAmount']), ...(cumulative === undefined ? {} : { cumulative: textOf(cumulative) }) } }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function badChallenge(what: string, cause?: unknown): RouteplaneError {
  return new RouteplaneError('bad_challenge', `the provider asked for payment, but ${what}`, cause === undefined ? {} : { cause })
}
