/** Remembers how endpoints have been doing: decayed figures for ranking, and who must be left alone for a while. */
import type { Clock } from '../lib/clock.ts'
import type { HealthView } from './axis.ts'
import { createMedianWindow, type MedianWindow } from './median-window.ts'
import type { Outcome } from './outcome.ts'

/** After this long a past outcome counts half. */
export const HALF_LIFE_MS = 5 * 60_000
/** After this long without any outcome nothing is known any more. */
const FORGET_MS = 60 * 60_000
/** So many times to the first token are kept for their median. */
const TTFT_SAMPLES = 64

/** So many counted failures in a row eject an endpoint. */
export const EJECT_AFTER = 5
const EJECT_MS = 30_000
const EJECT_MAX_MS = 10 * 60_000
/** A probe that never reported back is forgotten after this long, so that an endpoint can come back. */
const PROBE_MS = 5 * 60_000
/** How long a 429 without Retry-After is believed. */
const LIMITED_MS = 5_000

/** Why an endpoint is left alone now. */
export type Cooldown = {
  /** `limited` after a 429, `ejected` after failures in a row, `probing` while one request tries it again. */
  readonly kind: 'limited' | 'ejected' | 'probing'
  /** Milliseconds of wall time; for `probing` the time the probe is given up. */
  readonly untilMs: number
}

export type Health = {
  view(endpoint: string): HealthView
  /** `undefined` when the endpoint may be tried. Looks only: asking changes nothing. */
  cooldown(endpoint: string): Cooldown | undefined
  /** Says that a call is about to be sent; the first one after an ejection is its probe. */
  begin(endpoint: string): void
  /** Ends a call. Every {@link Health.begin} must be followed by one. */
  record(endpoint: string, outcome: Outcome): void
}

type State = {
  readonly ttft: MedianWindow
  /** Of the samples of the last hour; kept, because it is read for every request and changes with an outcome only. */
  medianTtftMs: number | undefined
  updatedAt: number
  successes: number
  counted: number
  failures: number
  all: number
  outputTokens: number
  generationMs: number
  consecutive: number
  ejections: number
  limitedUntil: number
  ejectedUntil: number | undefined
  probeUntil: number | undefined
}

/** Keeps health in memory; endpoints are named by their key. A restart begins anew: old figures would mislead. */
export function createHealth(clock: Pick<Clock, 'now'>): Health {
  const states = new Map<string, State>()
  const stateOf = (endpoint: string): State => {
    const known = states.get(endpoint)
    if (known !== undefined) return known
    const made = emptyState(clock.now())
    states.set(endpoint, made)
    return made
  }
  return {
    view(endpoint) {
      const state = states.get(endpoint)
      return state === undefined ? UNMEASURED : viewOf(state, clock.now())
    },
    cooldown(endpoint) {
      const state = states.get(endpoint)
      return state === undefined ? undefined : cooldownOf(state, clock.now())
    },
    begin(endpoint) {
      const state = states.get(endpoint)
      const now = clock.now()
      if (state?.ejectedUntil !== undefined && cooldownOf(state, now) === undefined) state.probeUntil = now + PROBE_MS
    },
    record(endpoint, outcome) {
      const state = stateOf(endpoint)
      const now = clock.now()
      decay(state, now)
      count(state, outcome)
      measure(state, outcome, now)
      cool(state, outcome, now)
    },
  }
}

const UNMEASURED: HealthView = { uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined }

function emptyState(now: number): State {
  return {
    ttft: createMedianWindow(TTFT_SAMPLES, FORGET_MS),
    medianTtftMs: undefined,
    updatedAt: now,
    successes: 0,
    counted: 0,
    failures: 0,
    all: 0,
    outputTokens: 0,
    generationMs: 0,
    consecutive: 0,
    ejections: 0,
    limitedUntil: 0,
    ejectedUntil: undefined,
    probeUntil: undefined,
  }
}

/** A clock that was set back makes nothing older. */
function factorOf(state: State, now: number): number {
  return 0.5 ** (Math.max(0, now - state.updatedAt) / HALF_LIFE_MS)
}

function decay(state: State, now: number): void {
  const factor = factorOf(state, now)
  state.successes *= factor
  state.counted *= factor
  state.failures *= factor
  state.all *= factor
  state.outputTokens *= factor
  state.generationMs *= factor
  state.updatedAt = now
}

function count(state: State, { verdict }: Outcome): void {
  if (verdict === 'neutral') return
  state.all += 1
  if (verdict !== 'success') state.failures += 1
  if (verdict === 'success') state.successes += 1
  if (verdict === 'success' || verdict === 'against') state.counted += 1
}

function measure(state: State, { ttftMs, outputTokens, totalMs }: Outcome, now: number): void {
  if (ttftMs !== undefined && ttftMs >= 0) {
    state.medianTtftMs = state.ttft.add(ttftMs, now)
  }
  if (outputTokens !== undefined && totalMs !== undefined && outputTokens > 0 && totalMs > 0) {
    state.outputTokens += outputTokens
    state.generationMs += totalMs
  }
}

/** Moves the circuit: failures in a row open it, longer each time; the probe's success closes it and its failure reopens it. */
function cool(state: State, { verdict, retryAfterMs }: Outcome, now: number): void {
  const wasProbe = state.probeUntil !== undefined
  state.probeUntil = undefined
  if (verdict === 'limited') {
    const wait = retryAfterMs !== undefined && Number.isFinite(retryAfterMs) && retryAfterMs >= 0 ? retryAfterMs : LIMITED_MS
    state.limitedUntil = Math.max(state.limitedUntil, now + wait)
  }
  if (verdict === 'success') {
    state.consecutive = 0
    state.ejections = 0
    state.ejectedUntil = undefined
  }
  if (verdict !== 'against') return
  state.consecutive += 1
  const isOpen = state.ejectedUntil !== undefined && state.ejectedUntil > now
  if (!wasProbe && (state.consecutive < EJECT_AFTER || isOpen)) return
  state.ejectedUntil = now + Math.min(EJECT_MS * 2 ** state.ejections, EJECT_MAX_MS)
  state.ejections += 1
}

function cooldownOf(state: State, now: number): Cooldown | undefined {
  if (state.limitedUntil > now) return { kind: 'limited', untilMs: state.limitedUntil }
  if (state.ejectedUntil === undefined) return undefined
  if (state.ejectedUntil > now) return { kind: 'ejected', untilMs: state.ejectedUntil }
  return state.probeUntil !== undefined && state.probeUntil > now ? { kind: 'probing', untilMs: state.probeUntil } : undefined
}

function viewOf(state: State, now: number): HealthView {
  if (now - state.updatedAt > FORGET_MS) return UNMEASURED
  return {
    uptime: state.counted > 0 ? state.successes / state.counted : undefined,
    countedRequests: state.counted * factorOf(state, now),
    ttftMs: state.medianTtftMs,
    throughput: state.generationMs > 0 ? (state.outputTokens * 1000) / state.generationMs : undefined,
    errorRate: state.all > 0 ? state.failures / state.all : undefined,
  }
}
