/** Tiered US dollar pricing: picks the tier, bounds a request, prices a usage. Exact; unknown is never zero. */
import type { Needs } from '../completion/features.ts'
import type { Usage } from '../completion/usage.ts'
import { addUsd, times, ZERO_USD, type Usd } from '../money.ts'

/**
 * The first tier is the base; a later one prices the whole request from `fromInputTokens` input tokens on. Tiers stand in
 * rising order of `fromInputTokens`; the parsers of manifests and models documents see to that.
 */
export type Pricing = { readonly tiers: readonly [PriceTier, ...PriceTier[]] }

/** US dollars per unit; `undefined` where the price list is silent. */
export type PriceTier = {
  /** Inclusive: a document's `min_context` as it is, a registry file's exclusive `above_input_tokens` plus one. */
  readonly fromInputTokens: number
  readonly prompt: Usd | undefined
  readonly completion: Usd | undefined
  readonly cacheRead: Usd | undefined
  readonly cacheWrite: Usd | undefined
  readonly reasoning: Usd | undefined
  readonly image: Usd | undefined
  readonly request: Usd | undefined
}

/** A guess of how long an answer is when nobody limits it; it only ever ranks endpoints against each other. */
const EXPECTED_OUTPUT_TOKENS = 1024

/**
 * Gives the most US dollars a request can cost by this price list; exact, so nothing is rounded.
 *
 * Tiers need not rise in price, so every tier the real count of input tokens could fall in is priced at its own largest
 * count, and the dearest one counts. Within a tier all input is taken at the dearest of prompt, cache read and cache write,
 * all output at the dearest of completion and reasoning, for every candidate.
 *
 * @param maxOutputTokens - Of one candidate.
 * @returns `undefined` when something the request uses has no price, or a count is not a whole number.
 */
export function boundCost(pricing: Pricing, needs: Needs, maxOutputTokens: number): Usd | undefined {
  const maxInput = wholeCount(needs.maxInputTokens)
  const maxOutput = wholeCount(maxOutputTokens)
  const candidates = wholeCount(needs.candidates)
  const images = wholeCount(needs.images)
  if (maxInput === undefined || maxOutput === undefined || candidates === undefined || images === undefined) return undefined
  const costs = pricing.tiers.map((tier, index) => {
    if (index > 0 && BigInt(tier.fromInputTokens) > maxInput) return ZERO_USD
    const input = least(maxInput, lastCountOf(pricing, index))
    return sumUsd([
      amountOf(dearest(tier.prompt, tier.cacheRead, tier.cacheWrite), input),
      amountOf(dearest(tier.completion, tier.reasoning), maxOutput * candidates),
      ...unitsOf(pricing, tier, images),
    ])
  })
  return costs.reduce((most, cost) => (most === undefined || cost === undefined ? undefined : cost > most ? cost : most), ZERO_USD)
}

/**
 * Gives the longest answer whose bound stays within an amount: at least one token, at most `most`.
 *
 * @param budgetUsd - What {@link boundCost} may come to.
 * @returns `undefined` when not even one token fits, or when the bound is not known.
 */
export function longestWithin(pricing: Pricing, needs: Needs, budgetUsd: Usd, most: number): number | undefined {
  const fits = (count: number): boolean => {
    const bound = boundCost(pricing, needs, count)
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

/**
 * Guesses what a request will cost in US dollars, for ranking only.
 *
 * @param maxOutputTokens - The longest answer the endpoint gives: no guess goes beyond it.
 * @returns `undefined` when something the request uses has no price.
 */
export function expectedCost(pricing: Pricing, needs: Needs, maxOutputTokens: number = EXPECTED_OUTPUT_TOKENS): Usd | undefined {
  const output = Math.min(needs.maxOutputTokens ?? EXPECTED_OUTPUT_TOKENS, EXPECTED_OUTPUT_TOKENS, maxOutputTokens)
  const usage: Usage = { inputTokens: needs.expectedInputTokens, outputTokens: output * needs.candidates, origin: 'estimated' }
  return costOf(pricing, usage, needs.images)
}

/**
 * Prices a usage in US dollars; exact.
 *
 * The totals of a usage are inclusive, so they are first cut into disjoint parts: plain, cache read and cache written input;
 * plain and reasoning output. A part whose own price the list does not give costs what its whole costs per token. Cache
 * writes have one price whatever their lifetime, because a price list has one.
 *
 * @param images - Images that were sent; priced per image.
 * @returns `undefined` when tokens are unknown, the counts contradict each other, or something used has no price.
 */
export function costOf(pricing: Pricing, usage: Usage, images: number): Usd | undefined {
  const imageCount = wholeCount(images)
  const counts = disjointCounts(usage)
  if (counts === undefined || imageCount === undefined) return undefined
  const tier = tierAt(pricing, counts.input)
  return sumUsd([
    amountOf(tier.prompt, counts.plainInput),
    amountOf(tier.cacheRead ?? tier.prompt, counts.cacheRead),
    amountOf(tier.cacheWrite ?? tier.prompt, counts.cacheWrite),
    amountOf(tier.completion, counts.plainOutput),
    amountOf(tier.reasoning ?? tier.completion, counts.reasoning),
    ...unitsOf(pricing, tier, imageCount),
  ])
}

/** Gives the tier that prices a request of so many input tokens: the last whose bound is reached. */
function tierAt(pricing: Pricing, inputTokens: bigint): PriceTier {
  return pricing.tiers.findLast((tier) => BigInt(tier.fromInputTokens) <= inputTokens) ?? pricing.tiers[0]
}

type DisjointCounts = Readonly<Record<'input' | 'plainInput' | 'cacheRead' | 'cacheWrite' | 'plainOutput' | 'reasoning', bigint>>

/** A share the upstream does not report belongs to the plain rest: that is how a provider without caches or thoughts bills. */
function disjointCounts(usage: Usage): DisjointCounts | undefined {
  const input = wholeCount(usage.inputTokens)
  const output = wholeCount(usage.outputTokens)
  const cacheRead = shareCount(usage.cacheReadTokens)
  const cacheWrite = shareCount(usage.cacheWriteTokens)
  const reasoning = shareCount(usage.reasoningTokens)
  if (input === undefined || output === undefined) return undefined
  if (cacheRead === undefined || cacheWrite === undefined || reasoning === undefined) return undefined
  const plainInput = input - cacheRead - cacheWrite
  const plainOutput = output - reasoning
  return plainInput < 0n || plainOutput < 0n ? undefined : { input, plainInput, cacheRead, cacheWrite, plainOutput, reasoning }
}

function shareCount(tokens: number | undefined): bigint | undefined {
  return tokens === undefined ? 0n : wholeCount(tokens)
}

function wholeCount(count: number | undefined): bigint | undefined {
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 ? BigInt(count) : undefined
}

/**
 * Per-unit prices. They do not depend on the context, so a tier that is silent on them keeps the base tier's. A fee per
 * request that is nowhere in the list is not charged; an image without a price makes the cost unknown.
 */
function unitsOf(pricing: Pricing, tier: PriceTier, images: bigint): readonly (Usd | undefined)[] {
  const [base] = pricing.tiers
  const fee = tier.request ?? base.request
  return [amountOf(tier.image ?? base.image, images), fee === undefined ? ZERO_USD : fee]
}

function amountOf(price: Usd | undefined, count: bigint): Usd | undefined {
  if (count === 0n) return ZERO_USD
  return price === undefined ? undefined : times(price, count)
}

/** The first price must be known; the others only matter where they are dearer. */
function dearest(price: Usd | undefined, ...others: readonly (Usd | undefined)[]): Usd | undefined {
  return others.reduce((most, other) => (most !== undefined && other !== undefined && other > most ? other : most), price)
}

function lastCountOf(pricing: Pricing, index: number): bigint | undefined {
  const next = pricing.tiers[index + 1]
  return next === undefined ? undefined : BigInt(next.fromInputTokens) - 1n
}

function least(count: bigint, limit: bigint | undefined): bigint {
  return limit !== undefined && limit < count ? limit : count
}

function sumUsd(amounts: readonly (Usd | undefined)[]): Usd | undefined {
  const known = amounts.filter((amount) => amount !== undefined)
  return known.length === amounts.length ? addUsd(...known) : undefined
}
