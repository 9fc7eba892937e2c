/** A bounded queue of bytes between a socket that pushes and a reader that pulls. */

export type ByteQueue = {
  push(chunk: Uint8Array): void
  end(): void
  /** Lets the reader have what is queued, then throws. */
  fail(error: Error): void
  /** Throws at the reader now and forgets what is queued. */
  abort(error: Error): void
  readonly bytes: AsyncIterable<Uint8Array>
}

export type ByteQueueEvents = {
  /** Queued bytes at which the source should pause. */
  readonly highWaterBytes: number
  onFull(): void
  /** The reader has taken everything. */
  onDrained(): void
  /** The reader left before the end. */
  onLeave(): void
}

type Result = IteratorResult<Uint8Array, undefined>
type Waiter = { readonly resolve: (result: Result) => void; readonly reject: (error: Error) => void }

/**
 * Creates the queue. One item of `bytes` is all that was pushed in one synchronous run (one read of a socket, whatever
 * its framing), because waking the reader waits for the microtask after it; leaving its loop calls `onLeave` once.
 */
export function createByteQueue(events: ByteQueueEvents): ByteQueue {
  const buffer = createChunkBuffer(events)
  let ending: { readonly error?: Error } | undefined
  let waiter: Waiter | undefined
  let isWaking = false

  const next = (): Result | Error | undefined => {
    const value = buffer.take()
    if (value !== undefined) return { done: false, value }
    if (ending === undefined) return undefined
    if (ending.error === undefined) return { done: true, value: undefined }
    const { error } = ending
    ending = {}
    return error
  }
  const wake = (): void => {
    isWaking = false
    if (waiter === undefined) return
    const result = next()
    if (result === undefined) return
    const { resolve, reject } = waiter
    waiter = undefined
    if (result instanceof Error) reject(result)
    else resolve(result)
  }
  const wakeSoon = (): void => {
    if (isWaking || waiter === undefined) return
    isWaking = true
    queueMicrotask(wake)
  }
  const finish = (error?: Error): void => {
    if (ending !== undefined) return
    ending = error === undefined ? {} : { error }
    wakeSoon()
  }
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next: () =>
      new Promise<Result>((resolve, reject) => {
        const result = next()
        if (result === undefined) waiter = { resolve, reject }
        else if (result instanceof Error) reject(result)
        else resolve(result)
      }),
    return: () => {
      buffer.clear()
      if (ending === undefined) {
        ending = {}
        events.onLeave()
      }
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return {
    push: (chunk) => {
      if (ending !== undefined || chunk.length === 0) return
      buffer.add(chunk)
      wakeSoon()
    },
    end: () => finish(),
    fail: (error) => finish(error),
    abort: (error) => {
      if (ending !== undefined) return
      buffer.clear()
      finish(error)
    },
    bytes: { [Symbol.asyncIterator]: () => iterator },
  }
}

/** What has been pushed and not yet read; says when it is too much, and when it is gone. */
function createChunkBuffer(events: ByteQueueEvents) {
  let chunks: Uint8Array[] = []
  let size = 0
  let isFull = false
  const clear = (): void => {
    chunks = []
    size = 0
  }
  return {
    clear,
    add(chunk: Uint8Array): void {
      chunks.push(chunk)
      size += chunk.length
      if (size < events.highWaterBytes || isFull) return
      isFull = true
      events.onFull()
    },
    /** @returns everything as one piece; `undefined` when there is nothing. */
    take(): Uint8Array | undefined {
      const taken = chunks.length <= 1 ? chunks[0] : Buffer.concat(chunks, size)
      clear()
      if (isFull && taken !== undefined) {
        isFull = false
        events.onDrained()
      }
      return taken
    },
  }
}
