/** Laws of pricing: the bound is never below a cost within it, tiers switch at the exact token, unknown stays unknown. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Needs } from '../../../src/completion/features.ts'
import type { Usage } from '../../../src/completion/usage.ts'
import { formatUsd, parseUsd, type Usd } from '../../../src/money.ts'
import { costOf, type PriceTier, type Pricing } from '../../../src/registry/pricing.ts'
import { boundCost, longestWithin, quoteOf } from '../../../src/registry/quote.ts'
import { verifies } from '../../support/verifies.ts'

const silent = { cacheRead: undefined, cacheWrite: undefined, reasoning: undefined, image: undefined, request: undefined }

function tier(fromInputTokens: number, prompt: string, completion: string, more: Partial<PriceTier> = {}): PriceTier {
  return { fromInputTokens, ...silent, prompt: parseUsd(prompt), completion: parseUsd(completion), ...more }
}

function needs(more: Partial<Needs> = {}): Needs {
  return {
    features: [],
    samplingParameters: [],
    inputModalities: ['text'],
    outputModalities: ['text'],
    maxInputTokens: 1000,
    expectedInputTokens: 250,
    images: 0,
    candidates: 1,
    stream: false,
    ...more,
  }
}

function usage(inputTokens: number | undefined, outputTokens: number | undefined, more: Partial<Usage> = {}): Usage {
  return { inputTokens, outputTokens, origin: 'provider', ...more }
}

function shown(usd: Usd | undefined): string | undefined {
  return usd === undefined ? undefined : formatUsd(usd)
}

const price = fc.option(
  fc.bigInt(0n, 10n ** 14n).map((value) => value as Usd),
  { nil: undefined },
)
const anyTier = (fromInputTokens: number) =>
  fc.record({
    fromInputTokens: fc.constant(fromInputTokens),
    prompt: price,
    completion: price,
    cacheRead: price,
    cacheWrite: price,
    reasoning: price,
    image: price,
    request: price,
  })
const anyPricing: fc.Arbitrary<Pricing> = fc
  .uniqueArray(fc.integer({ min: 1, max: 60 }), { maxLength: 4 })
  .chain((bounds) => fc.tuple(anyTier(0), ...bounds.toSorted((a, b) => a - b).map(anyTier)))
  .map((tiers) => ({ tiers }))

/** A usage together with limits it stays within. */
const withinLimits = fc
  .record({
    maxInput: fc.integer({ min: 0, max: 80 }),
    maxOutput: fc.integer({ min: 0, max: 80 }),
    candidates: fc.integer({ min: 1, max: 3 }),
    images: fc.integer({ min: 0, max: 3 }),
    shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
  })
  .map(({ maxInput, maxOutput, candidates, images, shares }) => {
    const share = (index: number, of: number) => Math.floor((shares[index] ?? 0) * of)
    const inputTokens = share(0, maxInput)
    const outputTokens = share(1, maxOutput * candidates)
    const cacheReadTokens = share(2, inputTokens)
    const cacheWriteTokens = share(3, inputTokens - cacheReadTokens)
    const reasoningTokens = share(4, outputTokens)
    return {
      needs: needs({ maxInputTokens: maxInput, expectedInputTokens: inputTokens, candidates, images }),
      maxOutput,
      usage: usage(inputTokens, outputTokens, { cacheReadTokens, cacheWriteTokens, reasoningTokens }),
      images,
    }
  })

describe('boundCost', () => {
  it('is never below the cost of a usage within the limits', () => {
    verifies('card.cap.request')
    fc.assert(
      fc.property(anyPricing, withinLimits, (pricing, limits) => {
        const bound = boundCost(pricing, limits.needs, limits.maxOutput)
        fc.pre(bound !== undefined)
        const cost = costOf(pricing, limits.usage, limits.images)
        expect(cost).toBeDefined()
        expect(bound).toBeGreaterThanOrEqual(cost as Usd)
      }),
      { numRuns: 2000 },
    )
  })

  it('is reached by some usage when every token has one price', () => {
    const pricing: Pricing = { tiers: [tier(0, '0.000002', '0.000012')] }
    expect(boundCost(pricing, needs(), 100)).toBe(costOf(pricing, usage(1000, 100), 0))
  })

  it('takes the dearest tier the count could fall in, also when the base is the dearer one', () => {
    const pricing: Pricing = { tiers: [tier(0, '0.000009', '0'), tier(500, '0.000001', '0')] }
    expect(shown(boundCost(pricing, needs({ maxInputTokens: 600 }), 0))).toBe('0.004491')
  })

  it('does not look at a tier that cannot be reached', () => {
    const pricing: Pricing = { tiers: [tier(0, '0.000001', '0'), { ...tier(1001, '0', '0'), prompt: undefined, completion: undefined }] }
    expect(shown(boundCost(pricing, needs(), 10))).toBe('0.001')
    expect(boundCost(pricing, needs({ maxInputTokens: 1001 }), 10)).toBeUndefined()
  })

  it('counts every candidate, image and the request fee', () => {
    verifies('register.pricing.image', 'register.pricing.request', 'listing.price.image_input')
    const pricing: Pricing = { tiers: [tier(0, '0', '0.01', { image: parseUsd('0.5'), request: parseUsd('3') })] }
    expect(shown(boundCost(pricing, needs({ candidates: 2, images: 4 }), 10))).toBe('5.2')
  })

  it('is unknown when images have no price or a limit is no count', () => {
    verifies('card.cap.unknown_price')
    const pricing: Pricing = { tiers: [tier(0, '0.1', '0.1')] }
    expect(boundCost(pricing, needs({ images: 1 }), 10)).toBeUndefined()
    expect(boundCost(pricing, needs(), Infinity)).toBeUndefined()
    expect(boundCost(pricing, needs(), -1)).toBeUndefined()
    expect(boundCost(pricing, needs({ maxInputTokens: 1.5 }), 1)).toBeUndefined()
  })
})

describe('costOf', () => {
  const tiered: Pricing = { tiers: [tier(0, '0.000002', '0.000012'), tier(200_000, '0.000004', '0.000018')] }

  it('switches tier at exactly min_context, for the whole request', () => {
    verifies('register.tiers.min_context', 'listing.price.tiers')
    expect(shown(costOf(tiered, usage(199_999, 0), 0))).toBe('0.399998')
    expect(shown(costOf(tiered, usage(200_000, 0), 0))).toBe('0.8')
  })

  it('prices cache and reasoning shares at their own price, or at their whole’s when the list is silent', () => {
    verifies('register.pricing.prompt', 'register.pricing.completion', 'register.pricing.input_cache_read')
    const full: Pricing = {
      tiers: [tier(0, '0.1', '1', { cacheRead: parseUsd('0.01'), cacheWrite: parseUsd('0.2'), reasoning: parseUsd('2') })],
    }
    const counted = usage(10, 5, { cacheReadTokens: 4, cacheWriteTokens: 3, reasoningTokens: 2 })
    expect(shown(costOf(full, counted, 0))).toBe('7.94')
    expect(shown(costOf({ tiers: [tier(0, '0.1', '1')] }, counted, 0))).toBe('6')
  })

  it('keeps the base tier’s price of an image where a later tier is silent on it', () => {
    const pricing: Pricing = { tiers: [tier(0, '0', '0', { image: parseUsd('0.3') }), tier(10, '0', '0')] }
    expect(shown(costOf(pricing, usage(10, 0), 2))).toBe('0.6')
  })

  it('is unknown, not zero, when the upstream counted nothing', () => {
    expect(costOf(tiered, usage(undefined, 5), 0)).toBeUndefined()
    expect(costOf(tiered, usage(5, undefined), 0)).toBeUndefined()
  })

  it('is unknown when shares exceed their whole, or a count is negative or broken', () => {
    expect(costOf(tiered, usage(5, 5, { cacheReadTokens: 4, cacheWriteTokens: 2 }), 0)).toBeUndefined()
    expect(costOf(tiered, usage(5, 5, { reasoningTokens: 6 }), 0)).toBeUndefined()
    expect(costOf(tiered, usage(-1, 5), 0)).toBeUndefined()
    expect(costOf(tiered, usage(1, 0.5), 0)).toBeUndefined()
  })

  it('needs no price for what was not used', () => {
    const inputOnly: Pricing = { tiers: [{ ...tier(0, '0.5', '0'), completion: undefined }] }
    expect(shown(costOf(inputOnly, usage(2, 0), 0))).toBe('1')
    expect(costOf(inputOnly, usage(2, 1), 0)).toBeUndefined()
  })
})

describe('the expected cost', () => {
  it('never guesses more output than the caller allows', () => {
    const pricing: Pricing = { tiers: [tier(0, '0', '1')] }
    const guess = (more: Partial<Needs>) => quoteOf(needs(more)).expected(pricing, undefined)
    expect(shown(guess({ maxOutputTokens: 7 }))).toBe('7')
    expect(guess({})).toBe(guess({ maxOutputTokens: 1_000_000 }))
  })

  it('is what the usage it guesses would cost, list after list with one quote', () => {
    fc.assert(
      fc.property(fc.array(anyPricing, { minLength: 1, maxLength: 4 }), withinLimits, (lists, { needs: asked, maxOutput, images }) => {
        const quote = quoteOf(asked)
        for (const pricing of lists) {
          const guessed = usage(asked.expectedInputTokens, maxOutput * asked.candidates)
          expect(quote.expected(pricing, maxOutput)).toBe(costOf(pricing, guessed, images))
        }
      }),
    )
  })
})

describe('longestWithin', () => {
  it('is the longest answer whose bound fits: never above the amount, never below one token, and one more would not fit', () => {
    fc.assert(
      fc.property(
        anyPricing,
        withinLimits,
        fc.bigInt(0n, 10n ** 16n),
        fc.integer({ min: 1, max: 200 }),
        (pricing, limits, amount, most) => {
          const asked = limits.needs
          const found = longestWithin(pricing, asked, amount as Usd, most)
          const fits = (count: number) => {
            const bound = boundCost(pricing, asked, count)
            return bound !== undefined && bound <= amount
          }
          expect(found === undefined).toBe(!fits(1))
          if (found === undefined) return
          expect([fits(found), found >= 1, found === most || !fits(found + 1)]).toEqual([true, true, true])
        },
      ),
    )
  })
})
