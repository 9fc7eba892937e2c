/** One timer for all open streams: tells each of them when it has been silent for too long. */

export type KeepAlive = {
  /** Calls `onSilence` at the latest `intervalMs` after the last {@link Watch.touch}, and again while it lasts. */
  watch(onSilence: () => void): Watch
}

export type Watch = {
  touch(): void
  stop(): void
}

/** A stream is called silent after this many ticks; more of them would be more exact and cost more wake-ups. */
const TICKS = 3

/** Runs only while somebody watches, and never holds the process open. */
export function createKeepAlive(intervalMs: number): KeepAlive {
  const watches = new Set<{ quietTicks: number; readonly onSilence: () => void }>()
  let timer: NodeJS.Timeout | undefined

  const tick = () => {
    for (const watch of watches) {
      if (++watch.quietTicks < TICKS) continue
      watch.quietTicks = 0
      watch.onSilence()
    }
  }

  return {
    watch: (onSilence) => {
      const own = { quietTicks: 0, onSilence }
      watches.add(own)
      timer ??= setInterval(tick, intervalMs / TICKS).unref()
      return {
        touch: () => {
          own.quietTicks = 0
        },
        stop: () => {
          watches.delete(own)
          if (watches.size > 0) return
          clearInterval(timer)
          timer = undefined
        },
      }
    },
  }
}
