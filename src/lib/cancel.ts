/** Cancelling as `AbortController` does it, at the price of one object. */

/**
 * What of an `AbortSignal` is needed to stop in time; every `AbortSignal` is one. For each of its own Node makes hidden classes
 * anew, and whoever reads it pays for that with each request.
 */
export type CancelSignal = Pick<AbortSignal, 'aborted' | 'reason'> & {
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

export type Canceller = {
  readonly signal: CancelSignal
  /** Has no effect after the first time. */
  abort(reason: Error): void
}

/** Creates a canceller. Each listener that is still there is called once, in the order they came. */
export function createCanceller(): Canceller {
  const listeners = new Set<() => void>()
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_type: 'abort', listener: () => void) => {
      if (!signal.aborted) listeners.add(listener)
    },
    removeEventListener: (_type: 'abort', listener: () => void) => {
      listeners.delete(listener)
    },
  }
  return {
    signal,
    abort: (reason) => {
      if (signal.aborted) return
      signal.aborted = true
      signal.reason = reason
      for (const listener of listeners) listener()
      listeners.clear()
    },
  }
}

/** The same as an `AbortSignal`, for what takes no other. */
export function toAbortSignal(signal: CancelSignal): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  const controller = new AbortController()
  if (signal.aborted) controller.abort(signal.reason)
  else signal.addEventListener('abort', () => controller.abort(signal.reason), { once: true })
  return controller.signal
}
