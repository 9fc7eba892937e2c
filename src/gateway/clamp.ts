/** Lowers an output limit to what the cap buys at one endpoint, where the caller has asked for that. */
import type { Needs } from '../completion/features.ts'
import { ZERO_USD, type Usd } from '../money.ts'
import type { Endpoint } from '../registry/endpoint.ts'
import { longestWithin } from '../registry/quote.ts'
import { mostOutputOf, type Sieve } from '../routing/eligible.ts'

/**
 * Gives what an answer of an endpoint may cost, the payment's own overhead taken off.
 *
 * @returns `undefined` when no cap binds: nobody can be paid there, or the caller's key pays and the cap is not his own.
 */
export function budgetAt(endpoint: Endpoint, sieve: Pick<Sieve, 'prefer' | 'offer' | 'capIsOwn'>, capUsd: Usd): Usd | undefined {
  for (const mode of sieve.prefer) {
    const offer = sieve.offer(mode, endpoint)
    if (!offer.available) continue
    if (mode === 'byok' && !sieve.capIsOwn) return undefined
    return offer.overheadUsd > capUsd ? ZERO_USD : ((capUsd - offer.overheadUsd) as Usd)
  }
  return undefined
}

/** @returns the limit to ask for, at least 1; `undefined` when the request fits as it is, or cannot be made to. */
export function clampedLimit(endpoint: Endpoint, needs: Needs, budgetUsd: Usd): number | undefined {
  const most = mostOutputOf(endpoint, needs)
  if (endpoint.pricing === undefined || most === undefined) return undefined
  const limit = longestWithin(endpoint.pricing, needs, budgetUsd, most)
  return limit === most ? undefined : limit
}
