/** The calls that are not over yet: a gateway that closes still has their payments to end and their rows to write. */
import type { Completion } from '../gateway/call.ts'
import type { Clock } from '../lib/clock.ts'
import { within } from '../lib/within.ts'

export type UnderWay = {
  /** Counts a call until it has failed, or until its answer has been delivered and its payment closed. */
  watch(completion: Promise<Completion>): Promise<Completion>
  /** Resolves when no call is left, or after `ms`. */
  over(ms: number): Promise<unknown>
}

export function watchCalls(clock: Clock): UnderWay {
  const running = new Set<Promise<Completion>>()
  return {
    watch(completion) {
      running.add(completion)
      const end = () => void running.delete(completion)
      completion.then(({ closed }) => closed.then(end, end), end)
      return completion
    },
    over: (ms) => within(ms, Promise.allSettled([...running].map(async (each) => (await each).closed)), clock),
  }
}
