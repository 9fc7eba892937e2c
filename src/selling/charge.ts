/** What the operator takes of callers without a key: his prices, the networks and schemes he is paid by, and to whom. */
import { addUsd, fromAtomic, scaleUsd, toAtomic, USD_DECIMALS, type Atomic, type Usd } from '../money.ts'

export type ChargeTerms = {
  /** Share added to our own cost, as a decimal of 18 places: 0.05 is five per cent. */
  readonly margin: Usd
  /** US dollars a request, by the model as the caller names it; instead of cost and margin. */
  readonly prices: ReadonlyMap<string, Usd>
  readonly payTo: `0x${string}`
  /** CAIP-2 ids, in the order they are offered. */
  readonly networks: readonly string[]
  readonly schemes: readonly string[]
  /** Seconds an offer holds, and a payment made on it has to stay good. */
  readonly offerSeconds: number
}

const WHOLE = 10n ** BigInt(USD_DECIMALS)

/** What a caller pays for what costs us so much, rounded up. */
export function withMargin(costUsd: Usd, { margin }: Pick<ChargeTerms, 'margin'>): Usd {
  return addUsd(costUsd, scaleUsd(costUsd, margin, WHOLE, 'up'))
}

/** The most that may be spent for a caller who pays so much, rounded down: never more than his payment leaves. */
export function withoutMargin(priceUsd: Usd, { margin }: Pick<ChargeTerms, 'margin'>): Usd {
  return scaleUsd(priceUsd, WHOLE, WHOLE + margin, 'down')
}

/** In base units, rounded up; never zero, which nobody can pay. */
export function amountOf(priceUsd: Usd, decimals: number): Atomic {
  const amount = toAtomic(priceUsd, decimals, 'up')
  return amount === 0n ? (1n as Atomic) : amount
}

/** The least of a charge and of what was agreed to, in base units. */
export function atMost(agreed: Atomic, priceUsd: Usd, decimals: number): Atomic {
  const amount = amountOf(priceUsd, decimals)
  return amount < agreed ? amount : agreed
}

/** What a payment is worth. */
export function worthOf(amount: Atomic, decimals: number): Usd {
  return fromAtomic(amount, decimals, 'down')
}
