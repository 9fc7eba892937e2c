/** What a demo provider is made of while it runs. */
import type { x402ResourceServer } from '@x402/core/server'
import type { Network, PaymentRequirements } from '@x402/core/types'
import type { Chain } from '../chain/chain.ts'
import type { AssetRow } from '../chain/networks.ts'
import type { Clock } from '../lib/clock.ts'
import type { ChatRequest } from './echo-model.ts'
import { ceilingQuote } from './price-list.ts'
import type { PriceList } from './price-list.ts'
import type { SaleBook } from './sale.ts'

export type Seller = {
  readonly id: string
  readonly payTo: `0x${string}`
  readonly prices: PriceList
  readonly models: readonly string[]
  readonly maxOutputTokens: number
  readonly maxTimeoutSeconds: number
  readonly timing: { readonly latencyMs: number; readonly tokenDelayMs: number }
  readonly asset: AssetRow
  readonly payments: x402ResourceServer
  readonly chain: Chain
  readonly clock: Clock
  readonly book: SaleBook
  readonly faults: Faults
  readonly counters: Counters
}

/** Ways to misbehave; each request reads them anew. Faults of a delivery spare those who bring the same payment again. */
export type Faults = {
  /** Answers every completion with this status, before anything else. */
  refuseWith?: number
  /** Changes the offers before they are sent, and what is accepted as payment with them. */
  mutateChallenge?: (offers: PaymentRequirements[]) => PaymentRequirements[]
  /** Answers a good payment with a challenge again, without settling it. */
  challengeAgain?: boolean
  /** Awaited before the facilitator settles; a throw leaves the settlement unknown. */
  beforeSettle?: () => Promise<void> | void
  /** Takes the money and hangs up on the first delivery. */
  afterSettle?: 'drop-connection'
  /** Takes the money and answers this status. */
  failAfterPayment?: number
  /** Hangs up the first delivery after this many tokens. */
  cutStreamAfter?: number
}

/** Completion requests, sales that became certain, and answers begun. */
export type Counters = { requests: number; paid: number; handlerRuns: number }

/** The most tokens that a request may be answered with. */
export function answerLimit(seller: Pick<Seller, 'maxOutputTokens'>, request: ChatRequest): number {
  return Math.min(request.maxTokens ?? seller.maxOutputTokens, seller.maxOutputTokens)
}

/**
 * Offers to serve one request for its ceiling quote. The same request is always offered the same, so that a payment
 * can be matched to it by nothing but itself.
 */
export async function offersFor(seller: Seller, request: ChatRequest): Promise<PaymentRequirements[]> {
  const { asset } = seller
  const amount = ceilingQuote(seller.prices, request.promptTokens, answerLimit(seller, request), asset.decimals)
  const offers = await seller.payments.buildPaymentRequirements({
    scheme: 'exact',
    network: asset.network as Network,
    payTo: seller.payTo,
    price: { asset: asset.address, amount: amount.toString(), extra: { ...asset.domain } },
    maxTimeoutSeconds: seller.maxTimeoutSeconds,
  })
  return seller.faults.mutateChallenge?.(offers) ?? offers
}
