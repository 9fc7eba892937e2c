/** Prices as a registry file writes them: US dollars per million tokens, with context tiers above an exclusive bound. */
import * as z from 'zod'
import type { PriceTier, Pricing } from './pricing.ts'
import { complain } from './problem.ts'
import { block, count, usdPerMillion, usdPerUnit } from './scalar.ts'

const MAX_TIERS = 16

const inputPrices = block({
  no_cache: usdPerMillion.optional(),
  cache_read: usdPerMillion.optional(),
  cache_write: usdPerMillion.optional(),
})
const outputPrices = block({ text: usdPerMillion.optional(), reasoning: usdPerMillion.optional() })

const tierFields = block({
  above_input_tokens: count(0, 1_000_000_000),
  input_tokens: inputPrices.optional(),
  output_tokens: outputPrices.optional(),
})

type TierFields = Pick<z.output<typeof tierFields>, 'input_tokens' | 'output_tokens'>

/**
 * Reads a `pricing` block into US dollars per token.
 *
 * The base must be complete. A tier may name only what changes: a silent prompt or completion price stays the base's. A tier
 * with a prompt price of its own does not keep the base's cache prices, because they belonged to the old one.
 */
export const pricingPerMillion = block({
  input_tokens: inputPrices.optional(),
  output_tokens: outputPrices.optional(),
  image: usdPerUnit.optional(),
  request: usdPerUnit.optional(),
  context_tiers: z.array(tierFields).max(MAX_TIERS).optional(),
})
  .superRefine((pricing, context) => {
    if (pricing.input_tokens?.no_cache === undefined)
      complain(context, 'price_missing', 'the base price of input is missing', ['input_tokens'])
    if (pricing.output_tokens?.text === undefined)
      complain(context, 'price_missing', 'the base price of output is missing', ['output_tokens'])
    pricing.context_tiers?.forEach((tier, index, tiers) => {
      const before = tiers[index - 1]
      if (before !== undefined && tier.above_input_tokens <= before.above_input_tokens) {
        complain(context, 'tier_order', 'tiers must stand in rising order of above_input_tokens', ['context_tiers', index])
      }
    })
  })
  .transform((pricing): Pricing => {
    const base: PriceTier = { ...silentTier(0), ...statedPrices(pricing), image: pricing.image, request: pricing.request }
    const tiers = (pricing.context_tiers ?? []).map((fields) => {
      const own = statedPrices(fields)
      const kept = own.prompt === undefined ? { prompt: base.prompt, cacheRead: base.cacheRead, cacheWrite: base.cacheWrite } : {}
      const keptOutput = own.completion === undefined ? { completion: base.completion, reasoning: base.reasoning } : {}
      return { ...silentTier(fields.above_input_tokens + 1), ...own, ...definedOver(kept, own), ...definedOver(keptOutput, own) }
    })
    return { tiers: [base, ...tiers] }
  })

function silentTier(fromInputTokens: number): PriceTier {
  const silent = { prompt: undefined, completion: undefined, cacheRead: undefined, cacheWrite: undefined, reasoning: undefined }
  return { fromInputTokens, ...silent, image: undefined, request: undefined }
}

type TokenPrices = Pick<PriceTier, 'prompt' | 'completion' | 'cacheRead' | 'cacheWrite' | 'reasoning'>

function statedPrices(fields: TierFields): TokenPrices {
  return {
    prompt: fields.input_tokens?.no_cache,
    completion: fields.output_tokens?.text,
    cacheRead: fields.input_tokens?.cache_read,
    cacheWrite: fields.input_tokens?.cache_write,
    reasoning: fields.output_tokens?.reasoning,
  }
}

/** The kept prices, except where the tier has its own. */
function definedOver(kept: Partial<TokenPrices>, own: TokenPrices): Partial<TokenPrices> {
  return Object.fromEntries(Object.entries(kept).map(([name, price]) => [name, own[name as keyof TokenPrices] ?? price]))
}
