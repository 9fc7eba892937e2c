/** Tiered US dollar pricing: picks the tier and prices a usage. Exact; unknown is never zero. */
import type { Usage } from '../completion/usage.ts'
import { times, ZERO_USD, type Usd } from '../money.ts'

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
  const tier = tierAt(pricing, Number(counts.input))
  return sumUsd([
    amountOf(tier.prompt, counts.plainInput),
    amountOf(tier.cacheRead ?? tier.prompt, counts.cacheRead),
    amountOf(tier.cacheWrite ?? tier.prompt, counts.cacheWrite),
    amountOf(tier.completion, counts.plainOutput),
    amountOf(tier.reasoning ?? tier.completion, counts.reasoning),
    unitCost(pricing, tier, imageCount),
  ])
}

/** Gives the tier that prices a request of so many input tokens: the last whose bound is reached. */
export function tierAt({ tiers }: Pricing, inputTokens: number): PriceTier {
  for (let at = tiers.length - 1; at > 0; at--) {
    const tier = tiers[at]
    if (tier !== undefined && tier.fromInputTokens <= inputTokens) return tier
  }
  return tiers[0]
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

/** An exact count; `undefined` for what is no whole number from zero on. */
export function wholeCount(count: number | undefined): bigint | undefined {
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 ? BigInt(count) : undefined
}

/**
 * Prices what is not counted in tokens. Per-unit prices do not depend on the context, so a tier that is silent on them keeps the
 * base tier's. A fee per request that is nowhere in the list is not charged; an image without a price makes the cost unknown.
 */
export function unitCost({ tiers: [base] }: Pricing, tier: PriceTier, images: bigint): Usd | undefined {
  const fee = tier.request ?? base.request ?? ZERO_USD
  if (images === 0n) return fee
  const ofImages = amountOf(tier.image ?? base.image, images)
  return ofImages === undefined ? undefined : ((ofImages + fee) as Usd)
}

/** So much of something at a price; nothing of it needs no price. */
export function amountOf(price: Usd | undefined, count: bigint): Usd | undefined {
  if (count === 0n) return ZERO_USD
  return price === undefined ? undefined : times(price, count)
}

/** @returns `undefined` when one of them is not known. */
export function sumUsd(amounts: readonly (Usd | undefined)[]): Usd | undefined {
  let sum = 0n
  for (const amount of amounts) {
    if (amount === undefined) return undefined
    sum += amount
  }
  return sum as Usd
}
