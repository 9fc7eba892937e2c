/** How fast an endpoint is now: of the last seconds where that says enough, else of all that is remembered. */
import { FORGET_MS } from './health-record.ts'
import { createMedianWindow } from './median-window.ts'

/** So many figures are kept. */
const SAMPLES = 64
/**
 * What is younger than this counts alone once there are so many of it: who has become slow, or fast again, is seen by that within
 * a few calls, and is not judged by an hour in which he was not.
 */
const NOW_MS = 20_000
const ENOUGH = 3

export type Pace = {
  /** Takes a time to the first token, in milliseconds, and gives the median of now. */
  ttft(ms: number, now: number): number
  /** Takes the output tokens and the milliseconds of a whole generation; gives tokens a second of now, where that says enough. */
  throughput(tokens: number, ms: number, now: number): number | undefined
}

export function createPace(): Pace {
  const [hour, latest] = [createMedianWindow(SAMPLES, FORGET_MS), createMedianWindow(SAMPLES, NOW_MS)]
  const generations: { readonly tokens: number; readonly ms: number; readonly at: number }[] = []
  return {
    ttft(ms, now) {
      const [ofHour, ofLatest] = [hour.add(ms, now), latest.add(ms, now)]
      return latest.count() < ENOUGH ? ofHour : ofLatest
    },
    throughput(tokens, ms, now) {
      generations.push({ tokens, ms, at: now })
      while (generations.length > SAMPLES || now - (generations[0]?.at ?? now) > NOW_MS) generations.shift()
      if (generations.length < ENOUGH) return undefined
      const [allTokens, allMs] = generations.reduce(([sum, time], each) => [sum + each.tokens, time + each.ms], [0, 0])
      return (allTokens * 1_000) / allMs
    },
  }
}
