/** Prices one request by many price lists: its counts are read once, and every list gives its bound and its guess. */
import type { Needs } from '../completion/features.ts'
import { subtractUsd, times, ZERO_USD, type Usd } from '../money.ts'
import { amountOf, sumUsd, tierAt, unitCost, wholeCount, type Pricing } from './pricing.ts'

/** A guess of how long an answer is when nobody limits it; it only ever ranks endpoints against each other. */
const EXPECTED_OUTPUT_TOKENS = 1024

/** What a request costs by a price list. Both give `undefined` when something it uses has no price, or a count is not a whole number. */
export type Quote = {
  /** The most US dollars it can cost. @param maxOutputTokens - Of one candidate. */
  bound(pricing: Pricing, maxOutputTokens: number): Usd | undefined
  /** A guess in US dollars, for ranking only. @param maxOutputTokens - The longest answer the endpoint gives, where that is known. */
  expected(pricing: Pricing, maxOutputTokens: number | undefined): Usd | undefined
  /** What it is expected to save that so many of its input tokens are read from a cache; `undefined` where the list has no price for that. */
  cacheSaving(pricing: Pricing, cachedTokens: number): Usd | undefined
}

/**
 * Makes the quote of a request; exact, so nothing is rounded.
 *
 * Tiers need not rise in price, so for the bound every tier the real count of input tokens could fall in is priced at its own
 * largest count, and the dearest one counts. Within a tier all input is taken at the dearest of prompt, cache read and cache
 * write, all output at the dearest of completion and reasoning, for every candidate.
 */
export function quoteOf(needs: Needs): Quote {
  const { maxInputTokens, expectedInputTokens, candidates, images } = needs
  const imageCount = wholeCount(images)
  const maxInput = wholeCount(maxInputTokens)
  const expectedInput = wholeCount(expectedInputTokens)
  const outputOf = createProduct(candidates)
  return {
    bound(pricing, maxOutputTokens) {
      const maxOutput = outputOf(maxOutputTokens)
      if (maxInput === undefined || maxOutput === undefined || imageCount === undefined) return undefined
      const { tiers } = pricing
      let most: Usd = ZERO_USD
      for (let at = 0; at < tiers.length; at++) {
        const tier = tiers[at]
        if (tier === undefined || (at > 0 && tier.fromInputTokens > maxInputTokens)) continue
        const next = tiers[at + 1]
        const input = next === undefined || next.fromInputTokens > maxInputTokens ? maxInput : BigInt(next.fromInputTokens - 1)
        const cost = sumUsd([
          amountOf(dearest(dearest(tier.prompt, tier.cacheRead), tier.cacheWrite), input),
          amountOf(dearest(tier.completion, tier.reasoning), maxOutput),
          unitCost(pricing, tier, imageCount),
        ])
        if (cost === undefined) return undefined
        if (cost > most) most = cost
      }
      return most
    },
    expected(pricing, maxOutputTokens = EXPECTED_OUTPUT_TOKENS) {
      const output = outputOf(Math.min(needs.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS, maxOutputTokens))
      if (expectedInput === undefined || output === undefined || imageCount === undefined) return undefined
      const tier = tierAt(pricing, expectedInputTokens)
      return sumUsd([amountOf(tier.prompt, expectedInput), amountOf(tier.completion, output), unitCost(pricing, tier, imageCount)])
    },
    cacheSaving(pricing, cachedTokens) {
      const { prompt, cacheRead } = tierAt(pricing, expectedInputTokens)
      const cached = wholeCount(Math.min(cachedTokens, expectedInputTokens))
      if (prompt === undefined || cacheRead === undefined || cached === undefined || cacheRead >= prompt) return undefined
      return times(subtractUsd(prompt, cacheRead), cached)
    },
  }
}

/** Multiplies counts by a fixed one, exactly; the last answer is remembered, because most endpoints ask for the same. */
function createProduct(factor: number): (count: number) => bigint | undefined {
  const by = wholeCount(factor)
  let last: number | undefined
  let product: bigint | undefined
  return (count) => {
    if (count === last) return product
    const whole = wholeCount(count)
    last = count
    product = whole === undefined || by === undefined ? undefined : whole * by
    return product
  }
}

/** The first price must be known; the other only matters where it is dearer. */
function dearest(price: Usd | undefined, other: Usd | undefined): Usd | undefined {
  return price !== undefined && other !== undefined && other > price ? other : price
}

/** The bound of a request by one price list. @see {@link Quote.bound} */
export function boundCost(pricing: Pricing, needs: Needs, maxOutputTokens: number): Usd | undefined {
  return quoteOf(needs).bound(pricing, maxOutputTokens)
}

/**
 * Gives the longest answer whose bound stays within an amount: at least one token, at most `most`.
 *
 * @param budgetUsd - What {@link boundCost} may come to.
 * @returns `undefined` when not even one token fits, or when the bound is not known.
 */
export function longestWithin(pricing: Pricing, needs: Needs, budgetUsd: Usd, most: number): number | undefined {
  const quote = quoteOf(needs)
  const fits = (count: number): boolean => {
    const bound = quote.bound(pricing, count)
    return bound !== undefined && bound <= budgetUsd
  }
  if (!Number.isSafeInteger(most) || most < 1 || !fits(1)) return undefined
  let [fitting, beyond] = [1, most + 1]
  while (beyond - fitting > 1) {
    const middle = fitting + Math.floor((beyond - fitting) / 2)
    if (fits(middle)) fitting = middle
    else beyond = middle
  }
  return fitting
}
