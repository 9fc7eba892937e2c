/** The contract of a challenge format: how a 402 is read, and how its answer and its receipt look on the wire. */
import { RouteplaneError } from '../../errors.ts'
import type { HttpResponse } from '../../lib/http-call.ts'

/** One offer of a 402 in neutral terms, still unjudged: every field is the seller's claim. */
export type Terms = {
  readonly format: string
  readonly scheme: string
  /** CAIP-2. */
  readonly network: string
  /** A token's contract, or its mint. */
  readonly asset: string
  /** Base units, as text: the judge reads it. */
  readonly amount: string
  readonly payTo: string
  readonly maxTimeoutSeconds: number
  /** EIP-712 domain the seller claims for the asset; ours is used, theirs must not differ. */
  readonly domain: { readonly name?: string; readonly version?: string }
  /** When absent `eip3009`, and on Solana `spl`. */
  readonly transferMethod: string
  /** `authorization` when absent: verify, serve, settle. */
  readonly paymentFlow: string
  /** Milliseconds since 1970 after which the seller takes no payment for it. */
  readonly expiresAt?: number
  /** Base64 of the SHA-256 of the only request body that may be paid for. */
  readonly bodyDigest?: string
  /** What the seller says the asset has; ours are used, theirs must not differ. */
  readonly decimals?: number
  /** Echoed to the seller exactly as it came. */
  readonly raw: unknown
}

/** What a 402 says: its offers, and the seller's words about why. */
export type Challenge = {
  readonly terms: readonly Terms[]
  readonly resource: unknown
  /** What else the seller takes part in, as it came; unjudged. */
  readonly extensions?: unknown
  readonly error?: string
}

/** The seller's word on settlement: a hint where to look, never proof. */
export type SettlementClaim = {
  readonly success: boolean
  /** A hash, or a signature in base58. */
  readonly transaction?: string
  readonly errorReason?: string
  /** What it says it took, in base units, where the word has a number. */
  readonly amount?: bigint
  /** What it has signed about the payment, as it came. */
  readonly receipt?: unknown
  /** What a channel's seller says it has charged for this call, and in all; base units, as written. */
  readonly charge?: { readonly amount: string; readonly cumulative?: string }
}

/** What a credential says besides its payload, where the challenge asks for it. */
export type Besides = {
  /** Sellers that ask for a name of the payment get the attempt's. */
  readonly attemptId: string
  /** What the scheme says to the extensions of the challenge. */
  readonly extensions?: Readonly<Record<string, unknown>>
}

export type ChallengeFormat = {
  readonly id: string
  /** As the ledger names it. */
  readonly protocol: 'x402-1' | 'x402-2' | 'mpp'
  /**
   * @returns `undefined` when the response is not of this format.
   * @throws RouteplaneError `bad_challenge` when it is, but broken or beyond our bounds.
   */
  read(response: Pick<HttpResponse, 'headers'>, body: string): Challenge | undefined
  /** Headers that carry a scheme's payload. */
  attach(payload: unknown, terms: Terms, challenge: Challenge, besides?: Besides): Readonly<Record<string, string>>
  /** @returns `undefined` when the response says nothing, `'invalid'` when it cannot be read. */
  readClaim(response: Pick<HttpResponse, 'headers'>): SettlementClaim | 'invalid' | undefined
}

/** The provider's 402 cannot be understood; nothing has been signed. */
export function badChallenge(what: string, cause?: unknown): RouteplaneError {
  return new RouteplaneError('bad_challenge', `the provider asked for payment, but ${what}`, cause === undefined ? {} : { cause })
}
