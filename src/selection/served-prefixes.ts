/** Remembers for a few minutes who has read which conversation: a provider's prompt cache may still hold its beginning. */
import type { Clock } from '../lib/clock.ts'

export type ServedPrefixes = {
  /** Says that an endpoint has read so many input tokens of a conversation. */
  note(conversation: string, endpoint: string, inputTokens: number): void
  /** How many input tokens an endpoint may still hold; `undefined` when nothing is known of it. */
  tokensAt(conversation: string, endpoint: string): number | undefined
}

/** The shortest life that the large providers promise a cached prefix; each use renews it. */
const CACHE_LIFE_MS = 5 * 60_000
/** The longest unused is forgotten first. */
const MAX_PREFIXES = 10_000

export function createServedPrefixes(clock: Pick<Clock, 'now'>): ServedPrefixes {
  const served = new Map<string, { readonly inputTokens: number; readonly at: number }>()
  return {
    note(conversation, endpoint, inputTokens) {
      const key = `${conversation}\n${endpoint}`
      served.delete(key)
      served.set(key, { inputTokens, at: clock.now() })
      const [oldest] = served.keys()
      if (served.size > MAX_PREFIXES && oldest !== undefined) served.delete(oldest)
    },
    tokensAt(conversation, endpoint) {
      const found = served.get(`${conversation}\n${endpoint}`)
      return found === undefined || clock.now() - found.at > CACHE_LIFE_MS ? undefined : found.inputTokens
    },
  }
}
