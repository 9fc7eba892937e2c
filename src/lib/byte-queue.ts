/** A bounded queue of bytes between a socket that pushes and a reader that pulls. */
import { nextTurn } from './next-turn.ts'

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

type State = {
  readonly events: ByteQueueEvents
  chunks: Uint8Array[]
  size: number
  isFull: boolean
  ending: { readonly error?: Error } | undefined
  waiter: Waiter | undefined
  isWaking: boolean
}

/**
 * Creates the queue. One item of `bytes` is all that was pushed in one turn of the event loop, whatever its framing, because
 * readers are woken together at its end; leaving a reader's loop calls `onLeave` once.
 */
export function createByteQueue(events: ByteQueueEvents): ByteQueue {
  const state: State = { events, chunks: [], size: 0, isFull: false, ending: undefined, waiter: undefined, isWaking: false }
  const iterator: AsyncIterator<Uint8Array, undefined> = {
    next: () => new Promise<Result>((resolve, reject) => answer(state, { resolve, reject })),
    return: () => {
      leave(state)
      return Promise.resolve({ done: true, value: undefined })
    },
  }
  return {
    push: (chunk) => push(state, chunk),
    end: () => finish(state, {}),
    fail: (error) => finish(state, { error }),
    abort: (error) => {
      if (state.ending !== undefined) return
      forget(state)
      finish(state, { error })
    },
    bytes: { [Symbol.asyncIterator]: () => iterator },
  }
}

function push(state: State, chunk: Uint8Array): void {
  if (state.ending !== undefined || chunk.length === 0) return
  state.chunks.push(chunk)
  state.size += chunk.length
  if (state.size >= state.events.highWaterBytes && !state.isFull) {
    state.isFull = true
    state.events.onFull()
  }
  wakeSoon(state)
}

function finish(state: State, ending: { readonly error?: Error }): void {
  if (state.ending !== undefined) return
  state.ending = ending
  wakeSoon(state)
}

function leave(state: State): void {
  forget(state)
  if (state.ending !== undefined) return
  state.ending = {}
  state.events.onLeave()
}

function forget(state: State): void {
  state.chunks = []
  state.size = 0
}

function wakeSoon(state: State): void {
  if (state.isWaking || state.waiter === undefined) return
  state.isWaking = true
  void nextTurn().then(() => {
    state.isWaking = false
    const { waiter } = state
    state.waiter = undefined
    if (waiter !== undefined) answer(state, waiter)
  })
}

/** Gives what there is: bytes first, then the error once, then the end; or lets the reader wait. */
function answer(state: State, waiter: Waiter): void {
  const { ending } = state
  if (state.chunks.length > 0) waiter.resolve({ done: false, value: take(state) })
  else if (ending === undefined) state.waiter = waiter
  else if (ending.error === undefined) waiter.resolve({ done: true, value: undefined })
  else {
    state.ending = {}
    waiter.reject(ending.error)
  }
}

function take(state: State): Uint8Array {
  const { chunks, size, events } = state
  const [only] = chunks
  const taken = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks, size)
  forget(state)
  if (state.isFull) {
    state.isFull = false
    events.onDrained()
  }
  return taken
}
