/** Keeps a check within the requests a minute its provider declares, so that it measures answers and not refusals. */
import type { Clock } from '../../lib/clock.ts'

export type Pace = {
  /** Resolves when one more request may be sent. */
  take(): Promise<void>
}

/** As many at once as a minute allows, then as they come free. */
export function createPace(requestsPerMinute: number | undefined, clock: Clock): Pace {
  if (requestsPerMinute === undefined) return { take: async () => {} }
  const perMs = requestsPerMinute / 60_000
  let tokens = requestsPerMinute
  let at = clock.monotonic()
  return {
    async take() {
      const now = clock.monotonic()
      tokens = Math.min(requestsPerMinute, tokens + (now - at) * perMs)
      at = now
      tokens -= 1
      if (tokens < 0) await clock.sleep(Math.ceil(-tokens / perMs))
    },
  }
}
