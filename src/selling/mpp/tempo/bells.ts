/** Wakes who waits for a channel to change. */

/** How soon a change is seen that another process has made. */
const LOOK_MS = 100

export type Bells = {
  ring(id: string): void
  /** Resolves at the next ring, at the signal, or after a while in any case. */
  heard(id: string, signal: AbortSignal): Promise<void>
}

export function createBells(): Bells {
  const waiting = new Map<string, Set<() => void>>()
  return {
    ring(id) {
      for (const wake of waiting.get(id) ?? []) wake()
    },
    heard(id, signal) {
      return new Promise((resolve) => {
        const waiters = waiting.get(id) ?? new Set()
        const wake = () => {
          clearTimeout(timer)
          waiters.delete(wake)
          if (waiters.size === 0) waiting.delete(id)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        const timer = setTimeout(wake, LOOK_MS)
        waiting.set(id, waiters.add(wake))
        signal.addEventListener('abort', wake, { once: true })
        if (signal.aborted) wake()
      })
    },
  }
}
