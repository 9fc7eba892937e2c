/** What an answer to a signed call comes to when it is no success: worth sending again, or refused, and with which terms. */
import { RouteplaneError } from '../errors.ts'
import { headerOf, readBody, type HttpResponse } from '../lib/http-call.ts'
import type { Challenge, ChallengeFormat, SettlementClaim } from './challenge/challenge.ts'
import type { AnyPlan } from './scheme/scheme.ts'

type Signed = { readonly plan: AnyPlan; readonly format: ChallengeFormat }

/** What a refusal asks for instead. */
export type Asks = { readonly status: number; readonly challenge: Challenge | undefined }

/** What one send came to, as far as the reply itself tells. */
export type Reply =
  | { readonly kind: 'answer'; readonly response: HttpResponse }
  /** Worth sending again: no answer, or one that says "not yet". */
  | { readonly kind: 'again'; readonly why: RouteplaneError; readonly retryAfterMs?: number }
  /** The provider says no to the payment or to the request it has been paid for; a 402 says why, and asks anew. */
  | {
      readonly kind: 'refused'
      readonly why: RouteplaneError
      readonly asks?: Asks
    }
  /** Provably not one byte left this machine. */
  | { readonly kind: 'unsent'; readonly why: RouteplaneError }

export type Refused = Extract<Reply, { kind: 'refused' }>

/** Of a refusal's body, where one version of x402 writes its offers. */
const MAX_CHALLENGE_BYTES = 64 * 1024

/** Reads an answer to a signed call that is no success. Never rejects: whatever cannot be read of it is left out. */
export async function readRefusal(response: HttpResponse, signed: Signed): Promise<Reply> {
  const { status } = response
  const claim = signed.format.readClaim(response)
  const retryAfterMs = retryAfterOf(response)
  if (status === 402 && !isPending(claim)) {
    const challenge = challengeIn(response, await readBody(response, MAX_CHALLENGE_BYTES).catch(() => ''), signed)
    const again = new RouteplaneError('payment_rejected', `the provider answered 402 again after it was paid${reasonOf(claim)}`)
    return { kind: 'refused', why: asksMore(challenge, signed) ?? again, asks: { status, challenge } }
  }
  // The connection is given back; what the body says of the payment is the seller's word and proves nothing.
  void response.body[Symbol.asyncIterator]().return?.()
  if (status === ALLOWANCE_MISSING) return { kind: 'refused', why: allowanceMissing(signed) }
  const why = new RouteplaneError('upstream_error', `the provider answered ${status} after it was paid`, { details: { status } })
  const again = status >= 500 || status === 402 || status === 408 || status === 409 || status === 425 || status === 429
  if (status === 410) return { kind: 'refused', why, asks: { status, challenge: undefined } }
  return again ? { kind: 'again', why, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) } : { kind: 'refused', why }
}

/** How x402 sellers answer `permit2_allowance_required`. */
const ALLOWANCE_MISSING = 412

function allowanceMissing({ plan: { agreed } }: Signed): RouteplaneError {
  const { network, symbol } = agreed.asset
  return new RouteplaneError(
    'payment_rejected',
    `the provider says that Permit2 may not take enough of the wallet: routeplane wallet approve <amount> --network ${network} --token ${symbol}`,
    { details: { status: ALLOWANCE_MISSING } },
  )
}

function isPending(claim: SettlementClaim | 'invalid' | undefined): boolean {
  return typeof claim === 'object' && !claim.success && claim.errorReason === 'settlement_pending'
}

function reasonOf(claim: SettlementClaim | 'invalid' | undefined): string {
  return typeof claim === 'object' && claim.errorReason !== undefined ? ` (${claim.errorReason})` : ''
}

/** A second 402 that asks for more than was signed is a moved price, and worth saying so. */
function asksMore(challenge: Challenge | undefined, signed: Signed): RouteplaneError | undefined {
  const { scheme, network, amount } = signed.plan.agreed.terms
  const same = challenge?.terms.find((terms) => terms.scheme === scheme && terms.network === network)
  if (same === undefined || same.amount === amount) return undefined
  return new RouteplaneError(
    'price_mismatch',
    `the provider changed its price from ${amount} to ${same.amount.slice(0, 80)} base units after it was paid`,
  )
}

function challengeIn(response: HttpResponse, body: string, { format }: Signed): Challenge | undefined {
  try {
    return format.read(response, body)
  } catch {
    return undefined
  }
}

function retryAfterOf(response: HttpResponse): number | undefined {
  const value = headerOf(response.headers, 'retry-after')
  return value !== undefined && /^\d{1,5}$/.test(value) ? Number(value) * 1_000 : undefined
}
