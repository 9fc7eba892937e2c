/** What both versions of x402 share on the wire: bounds, base64 headers of JSON, and the seller's word on settlement. */
import { isSolana } from '../../chain/networks.ts'
import type { RouteplaneError } from '../../errors.ts'
import { isRecord, parseJson, tryParseJson } from '../../lib/json.ts'
import { receiptIn } from '../seller-papers.ts'
import { badChallenge, type SettlementClaim, type Terms } from './challenge.ts'

/** An honest 402 has one to three offers in half a kilobyte; beyond these bounds somebody is probing. */
export const MAX_HEADER_CHARACTERS = 8 * 1024
const MAX_OFFERS = 8
export const MAX_DEPTH = 12
/** Characters of the seller's words that are kept. */
const MAX_ERROR = 200
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

/** Reads a header of base64 JSON. @throws RouteplaneError `bad_challenge`, naming the header. */
export function decodeHeader(name: string, header: string): unknown {
  if (header.length > MAX_HEADER_CHARACTERS)
    throw badChallenge(`its ${name} header has ${header.length} characters; at most ${MAX_HEADER_CHARACTERS} are read`)
  if (!BASE64.test(header)) throw badChallenge(`its ${name} header is not base64`)
  try {
    return parseJson(Buffer.from(header, 'base64').toString('utf8'), MAX_DEPTH)
  } catch (cause) {
    throw badChallenge(`its ${name} header does not hold JSON`, cause)
  }
}

/** @throws RouteplaneError `bad_challenge` for more offers than anybody needs. */
export function checkCount(offers: readonly unknown[]): void {
  if (offers.length > MAX_OFFERS) throw badChallenge(`it offers ${offers.length} ways to pay; at most ${MAX_OFFERS} are read`)
}

/** The seller's reason, cut to what is shown. */
export function errorOf(error: string | null | undefined): { readonly error?: string } {
  return typeof error === 'string' ? { error: error.slice(0, MAX_ERROR) } : {}
}

/** An offer as both versions write it; each has a name of its own for the amount. */
export type WireOffer = {
  readonly scheme: string
  readonly network: string
  readonly asset: string
  readonly payTo: string
  readonly maxTimeoutSeconds: number
  readonly extra?: Readonly<Record<string, unknown>> | null | undefined
}

/** @param own - What each version says in its own way; the network is a CAIP-2 id. */
export function termsOf(offer: WireOffer, { format, network, amount, raw }: Pick<Terms, 'format' | 'network' | 'amount' | 'raw'>): Terms {
  const { scheme, asset, payTo, maxTimeoutSeconds, extra } = offer
  return { format, scheme, network, asset, amount, payTo, maxTimeoutSeconds, ...readExtra(extra ?? {}, network), raw }
}

/** What an offer's `extra` says of the token and the flow; `network` is the offer's, by its CAIP-2 id. */
function readExtra(extra: Readonly<Record<string, unknown>>, network: string): Pick<Terms, 'domain' | 'transferMethod' | 'paymentFlow'> {
  const text = (name: string) => (typeof extra[name] === 'string' ? extra[name] : undefined)
  const name = text('name')
  const version = text('version')
  return {
    domain: { ...(name === undefined ? {} : { name }), ...(version === undefined ? {} : { version }) },
    transferMethod: text('assetTransferMethod') ?? (isSolana(network) ? 'spl' : 'eip3009'),
    paymentFlow: text('paymentFlow') ?? 'authorization',
  }
}

/** Reads a settlement header: a hint where to look, never proof. */
export function readClaimHeader(header: string | undefined): SettlementClaim | 'invalid' | undefined {
  if (header === undefined) return undefined
  if (header.length > MAX_HEADER_CHARACTERS || !BASE64.test(header)) return 'invalid'
  const value = tryParseJson(Buffer.from(header, 'base64').toString('utf8'), MAX_DEPTH)
  return isRecord(value) ? toClaim(value) : 'invalid'
}

/** A hash of an EVM network, or a signature of Solana. */
const TRANSACTION = /^(?:0x[0-9a-fA-F]{64}|[1-9A-HJ-NP-Za-km-z]{64,88})$/

function toClaim(value: Record<string, unknown>): SettlementClaim | 'invalid' {
  if (typeof value.success !== 'boolean') return 'invalid'
  const { transaction, amount } = value
  const receipt = receiptIn(value['extensions'])
  return {
    success: value.success,
    ...(typeof transaction === 'string' && TRANSACTION.test(transaction) ? { transaction } : {}),
    ...(typeof value.errorReason === 'string' ? { errorReason: value.errorReason.slice(0, 120) } : {}),
    ...(typeof amount === 'string' && /^\d{1,78}$/.test(amount) ? { amount: BigInt(amount) } : {}),
    ...(receipt === undefined ? {} : { receipt }),
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

/** The provider's 402 is not what its schema says, and what is wrong first is named. */
export function unlike(what: string, { issues: [issue] }: { readonly issues: readonly Issue[] }): RouteplaneError {
  return badChallenge(`${what} (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`)
}

type Issue = { readonly path: readonly PropertyKey[]; readonly message: string }
