/** Keeps to the rate limits providers declare: a bucket for each rule, refilled as time goes by. */
import type { Clock } from '../lib/clock.ts'
import type { Endpoint, Provider, RateLimit } from '../registry/endpoint.ts'
import { globMatches } from '../registry/protocol-name.ts'

const MINUTE_MS = 60_000

export type RateLimits = {
  /** Epoch milliseconds from which a request of so many tokens fits; `undefined` when it fits now. Looks only. */
  limitedUntil(endpoint: Endpoint, tokens: number): number | undefined
  /** Takes a request that is about to be sent out of every bucket it belongs to. */
  take(endpoint: Endpoint, tokens: number): void
  /** Every declared limit of a provider with what is left of it now. */
  levels(provider: Provider): readonly LimitLevel[]
}

export type LimitLevel = {
  readonly glob: string
  readonly of: 'requests' | 'tokens'
  readonly perMinute: number
  /** May be below zero after a request larger than the limit. */
  readonly left: number
}

type Bucket = { level: number; readonly capacity: number; at: number }

/**
 * Counts in memory, by this process only: it saves calls that would be refused, and a 429 still has the last word.
 *
 * Every rule whose glob covers the model counts, because a provider enforces each of its limits. A bucket holds one minute's
 * worth; a request larger than that may go when the bucket is full, else it could never go.
 */
export function createRateLimits(clock: Pick<Clock, 'now'>): RateLimits {
  const buckets = new Map<string, Bucket>()

  const bucketOf = (key: string, capacity: number): Bucket => {
    const known = buckets.get(key)
    const now = clock.now()
    if (known === undefined || known.capacity !== capacity) {
      const made = { level: capacity, capacity, at: now }
      buckets.set(key, made)
      return made
    }
    known.level = Math.min(capacity, known.level + (Math.max(0, now - known.at) * capacity) / MINUTE_MS)
    known.at = now
    return known
  }
  const demandsOn = (endpoint: Endpoint, tokens: number) =>
    endpoint.provider.rateLimits
      .filter((rule) => globMatches(rule.glob, endpoint.upstreamModel))
      .flatMap((rule) => demandsOf(endpoint.provider.id, rule, tokens))
      .map(({ key, capacity, amount }) => ({ bucket: bucketOf(key, capacity), amount: Math.min(amount, capacity) }))

  return {
    limitedUntil(endpoint, tokens) {
      if (endpoint.provider.rateLimits.length === 0) return undefined
      const waits = demandsOn(endpoint, tokens).map(({ bucket, amount }) => ((amount - bucket.level) * MINUTE_MS) / bucket.capacity)
      const longest = Math.max(0, ...waits)
      return longest > 0 ? clock.now() + Math.ceil(longest) : undefined
    },
    levels: (provider) =>
      provider.rateLimits.flatMap((rule) =>
        demandsOf(provider.id, rule, 0).map(({ key, of, capacity }) => ({
          glob: rule.glob,
          of,
          perMinute: capacity,
          left: bucketOf(key, capacity).level,
        })),
      ),
    take(endpoint, tokens) {
      if (endpoint.provider.rateLimits.length === 0) return
      for (const { bucket, amount } of demandsOn(endpoint, tokens)) bucket.level -= amount
    },
  }
}

type Demand = { readonly key: string; readonly of: LimitLevel['of']; readonly capacity: number; readonly amount: number }

function demandsOf(providerId: string, rule: RateLimit, tokens: number): readonly Demand[] {
  const { glob, requestsPerMinute, tokensPerMinute } = rule
  const demand = (of: LimitLevel['of'], capacity: number | undefined, amount: number): readonly Demand[] =>
    capacity === undefined ? [] : [{ key: `${providerId}\n${glob}\n${of}`, of, capacity, amount }]
  return [...demand('requests', requestsPerMinute, 1), ...demand('tokens', tokensPerMinute, tokens)]
}
