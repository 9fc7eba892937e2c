/** Small operators on `AsyncIterable`: change what passes, run something once at the end, look ahead without losing anything. */

/**
 * Changes each item as it passes. Not a generator: that would cost each item one more turn of the event loop's queue, and one that
 * was never started would not tell its source that the reader has left.
 *
 * @param raise - Gives what is thrown in place of what the source throws.
 */
export function mapStream<T>(source: AsyncIterable<T>, change: (item: T) => T, raise?: (thrown: unknown) => unknown): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]()
      return {
        async next() {
          try {
            const step = await inner.next()
            return step.done === true ? step : { done: false, value: change(step.value) }
          } catch (thrown) {
            throw raise === undefined ? thrown : raise(thrown)
          }
        },
        async return(value?: unknown) {
          await inner.return?.()
          return { done: true as const, value }
        },
      }
    },
  }
}

/**
 * Passes a stream through and calls `end` exactly once: when it is read to its end, fails, or is left early, even
 * before its first item.
 */
export function onEnd<T>(source: AsyncIterable<T>, end: (failure: unknown) => Promise<void> | void): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const inner = source[Symbol.asyncIterator]()
      let ended = false
      const finish = async (failure?: unknown) => {
        if (ended) return
        ended = true
        await end(failure)
      }
      return {
        async next() {
          try {
            const step = await inner.next()
            if (step.done === true) await finish()
            return step
          } catch (error) {
            await finish(error)
            throw error
          }
        },
        async return(value?: unknown) {
          await inner.return?.()
          await finish()
          return { done: true as const, value }
        },
      }
    },
  }
}

/**
 * Reads items until `until` says yes or the source ends; the returned stream still yields all of them.
 *
 * @returns what was read, whether the source has ended, and the whole stream. A failure of the source is thrown at once.
 */
export async function readAhead<T>(
  source: AsyncIterable<T>,
  until: (item: T) => boolean,
): Promise<{ readonly seen: readonly T[]; readonly ended: boolean; readonly stream: AsyncIterable<T> }> {
  const inner = source[Symbol.asyncIterator]()
  const seen: T[] = []
  let ended = false
  while (!ended) {
    const step = await inner.next()
    if (step.done === true) ended = true
    else {
      seen.push(step.value)
      if (until(step.value)) break
    }
  }
  return { seen, ended, stream: resume(seen, inner, ended) }
}

function resume<T>(seen: readonly T[], inner: AsyncIterator<T>, ended: boolean): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      let at = 0
      return {
        next: () => {
          if (at < seen.length) return Promise.resolve({ done: false, value: seen[at++] as T })
          // Not awaited here: what is read ahead must not make all that follows wait a turn longer.
          return ended ? Promise.resolve({ done: true, value: undefined }) : inner.next()
        },
        return: async () => {
          await inner.return?.()
          return { done: true, value: undefined }
        },
      }
    },
  }
}
