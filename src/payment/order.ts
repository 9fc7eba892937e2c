/** One call that is to be paid where a 402 asks for it: what it may cost, and what every offer for it is judged by. */
import { createHash } from 'node:crypto'
import type { Chain } from '../chain/chain.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { X402Terms } from '../registry/endpoint.ts'
import type { SolanaSide } from '../wallet/solana/open.ts'
import type { Wallet } from '../wallet/wallet.ts'
import type { Budgets } from './budget.ts'
import type { ChannelPolicy } from './channel/offer.ts'
import type { Held } from './hold.ts'
import type { PaidCall } from './mode.ts'
import type { PaymentProtocol } from './protocol.ts'
import type { Resolver } from './resolver.ts'
import type { LeavePolicy } from './scheme/permit2-leave.ts'
import type { SchemeWorld } from './scheme/scheme.ts'
import type { Preemptive } from './standing-offers.ts'
import { agree, type AnyAgreed } from './terms.ts'
import type { Terms } from './challenge/challenge.ts'

export type ChallengedDeps = {
  readonly ledger: Ledger
  /** Absent when no wallet is configured: every offer is then declined with the reason. */
  readonly wallet: Wallet | undefined
  /** CAIP-2 ids the wallet may pay on. */
  readonly networks: readonly string[]
  /** The scheme ids that may be used, most preferred first; `undefined` for every one, cheapest first. */
  readonly schemes: readonly string[] | undefined
  /** When a call is paid with its first send, under an offer that its provider made before. */
  readonly preemptive: Preemptive
  chainOf(network: string): Chain
  /** What pays on Solana; absent where nobody can. */
  readonly solana?: SolanaSide
  /** The caps over time as they stand now. */
  budgets(): Budgets
  readonly channels: ChannelPolicy
  readonly leaves: LeavePolicy
  readonly resolver: Resolver
  readonly clock: Clock
  readonly log: Log
}

/** The deps with a wallet: what stands once a call is being paid. */
export type Funded = ChallengedDeps & SchemeWorld

export type Order = {
  readonly call: PaidCall
  readonly protocol: PaymentProtocol
  readonly manifest: X402Terms
  readonly held: Held
}

/** Picks among offers for an order. @throws RouteplaneError as {@link agree}; nothing has been signed. */
export function agreeOn(offers: readonly Terms[], { call, protocol, manifest, held }: Order, deps: Funded): Promise<AnyAgreed> {
  return agree(offers, {
    manifest,
    networks: deps.networks,
    schemes: protocol.schemes,
    ...(deps.schemes === undefined ? {} : { allowed: deps.schemes }),
    payer: deps.wallet.address,
    ...(deps.solana?.problem === undefined ? {} : { solanaProblem: deps.solana.problem }),
    ...(deps.solana?.wallet === undefined ? {} : { solanaPayer: deps.solana.wallet.address }),
    heldUsd: held.priceUsd,
    capUsd: call.capUsd,
    now: deps.clock.now(),
    bodyDigest: bodyDigest(call, 'base64'),
  })
}

/** SHA-256 of the request's body. */
export function bodyDigest({ http }: Pick<PaidCall, 'http'>, encoding: 'hex' | 'base64'): string {
  return createHash('sha256')
    .update(http.body ?? '')
    .digest(encoding)
}

/** The longest any authorization may live, and how long it lives when the answer is quick. Seconds. */
const MAX_VALIDITY_SECONDS = 300
const QUICK_VALIDITY_SECONDS = 60

/** In Unix seconds. Short, because a signature is money until it expires; longer only when the answer itself will take longer. */
export function validBefore({ terms }: Pick<AnyAgreed, 'terms'>, call: PaidCall, nowMs: number): bigint {
  const wanted = Math.max(QUICK_VALIDITY_SECONDS, Math.ceil(call.answerSeconds) + 30)
  const seconds = Math.min(terms.maxTimeoutSeconds, wanted, MAX_VALIDITY_SECONDS)
  const { expiresAt = Infinity } = terms
  return BigInt(Math.min(Math.floor(nowMs / 1000) + seconds, Math.floor(expiresAt / 1000)))
}
