/** The clocks of one upstream exchange: connect, first byte, idle, and a least rate that bounds a drip. */
import { RouteplaneError } from '../errors.ts'
import type { TransportTimeouts } from '../lib/http-call.ts'
import { createCommentScanner } from '../lib/sse.ts'

export type Deadlines = {
  /** The request goes onto the wire: connecting is over. */
  sent(): void
  /** The response's head is here; in an event stream comments only restart the first-byte clock. */
  head(isEventStream: boolean): void
  arrived(chunk: Uint8Array): void
  /** The reader is slow: time that we spend waiting for him is not the upstream's. */
  pause(): void
  resume(): void
  stop(): void
}

export type DeadlineOptions = {
  readonly timeouts: TransportTimeouts
  /** Bytes a second, measured over windows of the idle time, that a body needs when not even a line ends in one. */
  readonly minBytesPerSecond: number
  expire(error: RouteplaneError): void
}

const LF = 0x0a
const CR = 0x0d

/** Starts the connect clock at once. At most one phase clock runs at a time; `expire` is called at most once. */
export function createDeadlines({ timeouts, minBytesPerSecond, expire }: DeadlineOptions): Deadlines {
  const scanner = createCommentScanner()
  const rate = createRateWindow(timeouts.idleMs, minBytesPerSecond, () => stopWith(drip(timeouts.idleMs)))
  let phase: 'connect' | 'first_byte' | 'idle' | 'over' = 'connect'
  let isEventStream = false
  let timer = setTimeout(() => stopWith(late('connect', timeouts.connectMs)), timeouts.connectMs)

  const stop = (): void => {
    phase = 'over'
    clearTimeout(timer)
    rate.stop()
  }
  const stopWith = (error: RouteplaneError): void => {
    if (phase === 'over') return
    stop()
    expire(error)
  }
  const enter = (next: 'first_byte' | 'idle'): void => {
    if (phase === 'over') return
    clearTimeout(timer)
    phase = next
    const ms = next === 'idle' ? timeouts.idleMs : timeouts.firstByteMs
    timer = setTimeout(() => stopWith(late(next, ms)), ms)
  }
  return {
    sent: () => enter('first_byte'),
    head: (eventStream) => {
      isEventStream = eventStream
      timer.refresh()
    },
    arrived: (chunk) => {
      if (phase === 'over') return
      if (phase === 'first_byte' && (!isEventStream || scanner.sawEvent(chunk))) {
        enter('idle')
        rate.start()
      }
      timer.refresh()
      rate.add(chunk)
    },
    pause: () => {
      clearTimeout(timer)
      rate.stop()
    },
    resume: () => {
      if (phase === 'connect' || phase === 'over') return
      enter(phase)
      if (phase === 'idle') rate.start()
    },
    stop,
  }
}

type RateWindow = { start(): void; add(chunk: Uint8Array): void; stop(): void }

/** Each window wants a line's end (an event, a comment, a keep-alive blank) or the least rate in bytes. */
function createRateWindow(windowMs: number, minBytesPerSecond: number, onSlow: () => void): RateWindow {
  const wanted = (minBytesPerSecond * windowMs) / 1000
  let timer: NodeJS.Timeout | undefined
  let bytes = 0
  let sawLineEnd = false
  const reset = (): void => {
    bytes = 0
    sawLineEnd = false
  }
  return {
    start: () => {
      clearInterval(timer)
      reset()
      timer = setInterval(() => {
        if (!sawLineEnd && bytes < wanted) onSlow()
        reset()
      }, windowMs)
    },
    add: (chunk) => {
      bytes += chunk.length
      if (!sawLineEnd) sawLineEnd = chunk.includes(LF) || chunk.includes(CR)
    },
    stop: () => clearInterval(timer),
  }
}

function late(phase: 'connect' | 'first_byte' | 'idle', ms: number): RouteplaneError {
  if (phase === 'idle') {
    return new RouteplaneError('idle_timeout', `the upstream sent nothing for ${ms} ms in the middle of its answer`, {
      details: { phase, ms, sent: true },
    })
  }
  const what = phase === 'connect' ? 'no connection was made' : 'no answer began'
  return new RouteplaneError('upstream_timeout', `${what} within ${ms} ms`, { details: { phase, ms, sent: phase !== 'connect' } })
}

function drip(ms: number): RouteplaneError {
  return new RouteplaneError('idle_timeout', `the upstream dripped a few bytes and no whole line in ${ms} ms`, {
    details: { phase: 'rate', ms, sent: true },
  })
}
