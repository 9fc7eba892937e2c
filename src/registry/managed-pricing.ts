/** What managed supply of open models costs: a share of the official price, wherever the supply states no price of its own. */
import { scaleUsd, type Usd } from '../money.ts'
import type { CanonicalModel } from './canonical.ts'
import type { Provider } from './endpoint.ts'
import type { PriceTier, Pricing } from './pricing.ts'

/** Shares of the official price in parts per thousand: 750 is 25 percent below it. */
export type ManagedShares = { readonly standard: bigint; readonly models: ReadonlyMap<string, bigint> }

export const standardShares: ManagedShares = { standard: 750n, models: new Map() }

/**
 * Gives the price of an open model at a managed provider; `undefined` for every other endpoint, and where nobody has said
 * what the official price is: then it stays unknown.
 *
 * @see Models guide, "Open models, discounted"
 */
export function managedPricing(provider: Provider, canonical: CanonicalModel | undefined, shares: ManagedShares): Pricing | undefined {
  if (provider.kind !== 'managed' || canonical?.openWeights !== true || canonical.officialPricing === undefined) return undefined
  return shareOf(canonical.officialPricing, shares.models.get(canonical.id) ?? shares.standard)
}

/** Scales every price of a list; what we might owe is rounded up. */
export function shareOf({ tiers: [base, ...more] }: Pricing, permille: bigint): Pricing {
  const scale = (usd: Usd | undefined) => (usd === undefined ? undefined : scaleUsd(usd, permille, 1000n, 'up'))
  const scaled = (tier: PriceTier): PriceTier => ({
    fromInputTokens: tier.fromInputTokens,
    prompt: scale(tier.prompt),
    completion: scale(tier.completion),
    cacheRead: scale(tier.cacheRead),
    cacheWrite: scale(tier.cacheWrite),
    reasoning: scale(tier.reasoning),
    image: scale(tier.image),
    request: scale(tier.request),
  })
  return { tiers: [scaled(base), ...more.map(scaled)] }
}
