/** Notices when a provider's prices say different things in different places or at different times. */
import type { ModelRow } from './model-row.ts'
import type { PriceTier, Pricing } from './pricing.ts'

/** A price that is not what it was in the provider's file (`manifest`) or in its last document (`document`). */
export type PriceDrift = {
  readonly provider: string
  readonly model: string
  readonly against: 'manifest' | 'document'
  readonly before: Pricing
  readonly after: Pricing
}

/**
 * Compares a fresh document with the provider's file and with the document before it. A difference from the file is told when
 * it appears or changes, not again with every poll.
 */
export function findDrifts(
  provider: string,
  fresh: readonly ModelRow[],
  listed: readonly ModelRow[],
  previous: readonly ModelRow[] | undefined,
): readonly PriceDrift[] {
  const inFile = new Map(listed.map((row) => [row.upstreamModel, row.pricing]))
  const before = new Map(previous?.map((row) => [row.upstreamModel, row.pricing]))
  return fresh.flatMap(({ upstreamModel: model, pricing: after }): readonly PriceDrift[] => {
    const last = before.get(model)
    if (after === undefined || (last !== undefined && isSamePricing(last, after))) return []
    const stated = inFile.get(model)
    return [
      ...(last === undefined ? [] : [{ provider, model, against: 'document', before: last, after } as const]),
      ...(stated === undefined || isSamePricing(stated, after)
        ? []
        : [{ provider, model, against: 'manifest', before: stated, after } as const]),
    ]
  })
}

/** Tells whether two price lists say the same, tier by tier; a price that is missing differs from one that is zero. */
function isSamePricing(one: Pricing, other: Pricing): boolean {
  return one.tiers.length === other.tiers.length && one.tiers.every((tier, index) => isSameTier(tier, other.tiers[index]))
}

function isSameTier(one: PriceTier, other: PriceTier | undefined): boolean {
  return other !== undefined && (Object.keys(one) as (keyof PriceTier)[]).every((name) => one[name] === other[name])
}
