/** The contract of a scheme: how agreed terms become a plan, an intent and a credential. */
import type { Chain } from '../../chain/chain.ts'
import type { Clock } from '../../lib/clock.ts'
import type { HttpResponse } from '../../lib/http-call.ts'
import type { Log } from '../../lib/log.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Atomic, Usd } from '../../money.ts'
import type { Wallet } from '../../wallet/wallet.ts'
import type { Challenge, SettlementClaim, Terms } from '../challenge/challenge.ts'
import type { Budgets } from '../budget.ts'
import type { ChannelPolicy } from '../channel/offer.ts'
import type { PaidCall } from '../mode.ts'
import type { Resolver } from '../resolver.ts'
import type { AgreedTerms } from '../terms.ts'
import type { AssetRow, TokenRow } from '../../chain/networks.ts'
import type { SolanaSide } from '../../wallet/solana/open.ts'
import type { LeavePolicy } from './permit2-leave.ts'

/** What a scheme may ask and use. */
export type SchemeWorld = {
  readonly wallet: Wallet
  readonly ledger: Ledger
  chainOf(network: string): Chain
  /** What pays on Solana; absent where nobody can. */
  readonly solana?: SolanaSide
  /** Ends attempts that a scheme makes beside the call's own. */
  readonly resolver: Pick<Resolver, 'settle' | 'follow' | 'giveBack'>
  /** The caps over time as they stand now. */
  budgets(): Budgets
  readonly channels: ChannelPolicy
  /** Whether Permit2 is given leave for a payment where the offer takes it. */
  readonly leaves: LeavePolicy
  readonly clock: Clock
  readonly log: Log
}

export type PlanInput<Row extends TokenRow = AssetRow> = {
  readonly call: PaidCall
  readonly agreed: AgreedTerms<Row>
  /** What the offer came in: some protocols bind the payment to it. */
  readonly challenge: Challenge
  /** Held for this attempt, the room for the network's fee included. */
  readonly heldUsd: Usd
  /** What of it is for the price alone. */
  readonly priceUsd: Usd
  /** The longest a signature of this call may live, in Unix seconds. */
  readonly validBeforeSeconds: bigint
}

/** All that will be signed for one attempt, fixed and written down before it exists, so that it can be signed again unchanged. */
export type SigningPlan<Row extends TokenRow = AssetRow> = {
  readonly attemptId: string
  readonly agreed: AgreedTerms<Row>
  /** Which proof ends the attempt. */
  readonly proof: string
  /** 32 bytes that no other attempt of this payer has: a function of the attempt. */
  readonly nonce: `0x${string}`
  /** The most that this signature can move, fees of the network included; never above what is held. Base units. */
  readonly amount: Atomic
  /** Unix seconds; nothing moves later. */
  readonly validBeforeSeconds: bigint
  /** What else a scheme must know to sign again or to find the outcome; never a signature. */
  readonly particulars?: Readonly<Record<string, string>>
  /** What was signed under this nonce before, and may be taken in its place. */
  readonly replaces?: Pick<SigningPlan, 'amount' | 'validBeforeSeconds'>
}

/** Other terms for a payment that was signed under a standing offer and refused. */
export type Renewal<Row extends TokenRow = AssetRow> = {
  readonly call: PaidCall
  readonly plan: SigningPlan<Row>
  readonly agreed: AgreedTerms<Row>
  /** No later than the first plan's. */
  readonly validBeforeSeconds: bigint
}

/** The answer to a signed call, on its way to the caller. */
export type PaidAnswer<Row extends TokenRow = AssetRow> = {
  readonly call: PaidCall
  readonly plan: SigningPlan<Row>
  readonly response: HttpResponse
  /** What the seller says of the settlement. */
  readonly claim: SettlementClaim | 'invalid' | undefined
  /** Writes another payload as this call's credential headers. */
  attach(payload: unknown): Readonly<Record<string, string>>
}

/** A 402 in answer to a signed call, or a 410. */
export type Refusal<Row extends TokenRow = AssetRow> = {
  readonly call: PaidCall
  readonly plan: SigningPlan<Row>
  readonly status: number
  /** Whether the same signature was sent before and what became of it is not known: that send may have been charged. */
  readonly unanswered: boolean
  /** What it says; `undefined` when it cannot be read. */
  readonly challenge: Challenge | undefined
}

/** @typeParam Row - The tokens that it pays in: those of EVM networks unless said otherwise. */
export type Scheme<Row extends TokenRow = AssetRow> = {
  /** As the wire, manifests and `payment.schemes` name it; several may share a name and differ in what they match. */
  readonly id: string
  /** Transactions on chain that a call of a steady caller costs, in thousandths: fewer are chosen first. */
  readonly transactionsPerThousandCalls: number
  /**
   * It pays on Solana, and nowhere else. How long a signature lives is the network's to say there: a plan's end is an estimate, and
   * may lie later than was asked.
   */
  readonly onSolana?: true
  /** Whether an offer of this name is one this scheme can sign. */
  matches(terms: Terms): boolean
  /** What is wrong with an offer of this scheme in the scheme's own fields; `undefined` when nothing is. */
  flaw?(terms: Terms, solanaPayer: string | undefined): string | undefined
  /** Fixes what will be signed; signs nothing and sends nothing. @throws RouteplaneError when it cannot be paid this way. */
  plan(input: PlanInput<Row>, world: SchemeWorld): Promise<SigningPlan<Row>>
  /** Ends what it has written down for a plan beside the call's own attempt, when nothing of it will be signed. Never rejects. */
  abandon?(plan: SigningPlan<Row>, world: SchemeWorld): Promise<void>
  /**
   * Gives the payload that the challenge's format carries.
   *
   * @throws RouteplaneError `policy_refused` from the wallet.
   */
  sign(plan: SigningPlan<Row>, world: SchemeWorld): Promise<unknown>
  /** What it says to the extensions of the challenge, beside the payload; it was planned and written down with it. */
  extend?(plan: SigningPlan<Row>, world: SchemeWorld): Promise<Readonly<Record<string, unknown>> | undefined>
  /**
   * Receives the answer first: a scheme may record what was charged of what was authorised, or pay on while the body comes
   * and take its own events out of it. Without it the answer passes as it is.
   */
  receive?(answer: PaidAnswer<Row>, world: SchemeWorld): Promise<HttpResponse>
  /**
   * Reads a 402 that answered the signed call: a scheme whose books were behind the seller's brings them in step and gives the
   * payload to send instead, which may move no more than the first; `'again'` asks for the same once more. Without it, and on
   * `undefined`, the refusal stands.
   */
  correct?(refusal: Refusal<Row>, world: SchemeWorld): Promise<unknown>
  /**
   * Plans a payment that has been signed already under other terms, so that of both no more than one can ever be taken. A scheme
   * that has it may be paid before it asks. @returns `undefined` when these terms cannot take the place of the first.
   */
  renew?(renewal: Renewal<Row>, world: SchemeWorld): Promise<SigningPlan<Row> | undefined>
}

/** A scheme of any network; it is given plans and terms of its own networks alone. */
export type AnyScheme = Scheme<TokenRow>
export type AnyPlan = SigningPlan<TokenRow>

/** The most that a plan, or what it takes the place of, can move. Base units. */
export function mostOfPlan({ amount, replaces }: Pick<SigningPlan, 'amount' | 'replaces'>): Atomic {
  return replaces !== undefined && replaces.amount > amount ? replaces.amount : amount
}

/** The renewed plan of schemes whose signatures a nonce alone ties together. */
export function renewedPlan({ plan, agreed, validBeforeSeconds }: Renewal): SigningPlan {
  const { amount, validBeforeSeconds: firstEnd } = plan
  return { ...plan, agreed, amount: agreed.amount, validBeforeSeconds, replaces: { amount, validBeforeSeconds: firstEnd } }
}
