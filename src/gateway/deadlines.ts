/** The clocks of one upstream exchange: connect, first byte, idle, and a least rate that bounds a drip. */
import { RouteplaneError } from '../errors.ts'
import type { TransportTimeouts } from '../lib/http-call.ts'
import { systemClock } from '../lib/clock.ts'
import { createCommentScanner, type CommentScanner } from '../lib/sse.ts'

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

/** Timers count whole milliseconds of the event loop's own clock and may fire that much before ours says so. */
const TIMER_SLACK_MS = 1

type State = {
  readonly options: DeadlineOptions
  readonly scanner: CommentScanner
  phase: 'connect' | 'first_byte' | 'idle' | 'over'
  isEventStream: boolean
  isPaused: boolean
  /** When the phase began or last showed life. */
  since: number
  timer: NodeJS.Timeout | undefined
  /** When the timer fires; it may fire too early and is then set anew, but never too late. */
  firesAt: number
  /** What came since the window for the least rate began. */
  window: { since: number; bytes: number; sawLineEnd: boolean }
}

/**
 * Starts the connect clock at once. At most one phase clock runs at a time; `expire` is called at most once.
 *
 * What arrives only notes the time: the one timer looks at the notes when it fires, so that a chunk costs no timer.
 */
export function createDeadlines(options: DeadlineOptions): Deadlines {
  const now = systemClock.monotonic()
  const state: State = {
    options,
    scanner: createCommentScanner(),
    phase: 'connect',
    isEventStream: false,
    isPaused: false,
    since: now,
    timer: undefined,
    firesAt: Infinity,
    window: { since: now, bytes: 0, sawLineEnd: false },
  }
  watch(state)
  return {
    sent: () => enter(state, 'first_byte'),
    head: (eventStream) => {
      state.isEventStream = eventStream
      state.since = systemClock.monotonic()
    },
    arrived: (chunk) => arrived(state, chunk),
    pause: () => {
      state.isPaused = true
      clearTimeout(state.timer)
      state.firesAt = Infinity
    },
    resume: () => {
      state.isPaused = false
      if (state.phase !== 'connect') enter(state, state.phase)
    },
    stop: () => stop(state),
  }
}

function stop(state: State): void {
  state.phase = 'over'
  clearTimeout(state.timer)
}

function enter(state: State, phase: State['phase']): void {
  if (state.phase === 'over') return
  state.phase = phase
  state.since = systemClock.monotonic()
  state.window = { since: state.since, bytes: 0, sawLineEnd: false }
  watch(state)
}

function arrived(state: State, chunk: Uint8Array): void {
  if (state.phase === 'over') return
  if (state.phase === 'first_byte' && (!state.isEventStream || state.scanner.sawEvent(chunk))) enter(state, 'idle')
  state.since = systemClock.monotonic()
  const { window } = state
  window.bytes += chunk.length
  if (!window.sawLineEnd) window.sawLineEnd = chunk.includes(LF) || chunk.includes(CR)
}

/** Makes sure that the timer fires no later than the next deadline; one that fires before costs nothing until then. */
function watch(state: State): void {
  if (state.phase === 'over' || state.isPaused) return
  const due = dueAt(state)
  if (state.firesAt <= due) return
  clearTimeout(state.timer)
  state.firesAt = due
  state.timer = setTimeout(() => look(state), Math.max(1, due - systemClock.monotonic()))
}

function dueAt(state: State): number {
  const phaseEnd = state.since + phaseMs(state)
  return state.phase === 'idle' ? Math.min(phaseEnd, state.window.since + phaseMs(state)) : phaseEnd
}

function phaseMs({ phase, options: { timeouts } }: State): number {
  if (phase === 'connect') return timeouts.connectMs
  return phase === 'first_byte' ? timeouts.firstByteMs : timeouts.idleMs
}

function look(state: State): void {
  state.firesAt = Infinity
  const { phase, window, options } = state
  if (phase === 'over') return
  const ms = phaseMs(state)
  const passed = systemClock.monotonic() + TIMER_SLACK_MS
  if (passed >= state.since + ms) return expire(state, late(phase, ms))
  if (phase === 'idle' && passed >= window.since + ms) {
    if (!window.sawLineEnd && window.bytes < (options.minBytesPerSecond * ms) / 1000) return expire(state, drip(ms))
    state.window = { since: passed - TIMER_SLACK_MS, bytes: 0, sawLineEnd: false }
  }
  watch(state)
}

function expire(state: State, error: RouteplaneError): void {
  stop(state)
  state.options.expire(error)
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
