/** Keeps a check within what it may spend by the provider's own price list. */
import type { Needs } from '../../completion/features.ts'
import type { Usage } from '../../completion/usage.ts'
import { addUsd, formatUsd, ZERO_USD, type Usd } from '../../money.ts'
import { costOf, type Pricing } from '../pricing.ts'
import { boundCost } from '../quote.ts'

export type Spending = {
  /** Reserves what a call can cost at most. @returns why it may not be sent, or the way to end the reservation. */
  reserve(needs: Needs, maxOutputTokens: number): string | ((used: Usage | 'nothing' | undefined) => void)
  /** What was spent by the price list, calls without a usage counted at their bound; `undefined` when a price is not known. */
  spentUsd(): Usd | undefined
}

/** Without a price the bound is not known; so small a call is sent all the same, because somebody has to find out. */
const SMALL_BYTES = 16_384

export function createSpending(pricing: Pricing | undefined, capUsd: Usd): Spending {
  let committed = ZERO_USD
  let isKnown = true
  return {
    reserve(needs, maxOutputTokens) {
      const bound = pricing === undefined ? undefined : boundCost(pricing, needs, maxOutputTokens)
      if (bound === undefined) {
        if (needs.maxInputTokens > SMALL_BYTES) return 'its cost is not known, so a prompt this long is not sent'
        isKnown = false
        return () => {}
      }
      if (addUsd(committed, bound) > capUsd) {
        return `it could cost $${formatUsd(bound)}; $${formatUsd(committed)} of $${formatUsd(capUsd)} are spent (raise --max-cost)`
      }
      committed = addUsd(committed, bound)
      return (used) => {
        const cost =
          used === 'nothing' ? ZERO_USD : used === undefined || pricing === undefined ? undefined : costOf(pricing, used, needs.images)
        if (cost !== undefined && cost < bound) committed = (committed - bound + cost) as Usd
      }
    },
    spentUsd: () => (isKnown ? committed : undefined),
  }
}
