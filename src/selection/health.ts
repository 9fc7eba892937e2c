/** Remembers how endpoints have been doing: decayed figures for ranking, and who must be left alone for a while. */
import type { Clock } from '../lib/clock.ts'
import type { HealthView } from './axis.ts'
import {
  addSums,
  emptySums,
  fade,
  fadedBy,
  FORGET_MS,
  readRecord,
  writeRecord,
  type Circuit,
  type HealthRecord,
  type HealthRow,
  type HealthSums,
} from './health-record.ts'
import type { Outcome } from './outcome.ts'
import { createPace, type Pace } from './pace.ts'

/** So many counted failures in a row eject an endpoint. */
export const EJECT_AFTER = 5
const EJECT_MS = 30_000
const EJECT_MAX_MS = 10 * 60_000
/** A probe that never reported back is forgotten after this long, so that an endpoint can come back. */
const PROBE_MS = 5 * 60_000
/** After this long an outcome says half as much of how things are now. */
const FRESH_HALF_LIFE_MS = 15_000
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
  /** What has changed since this was last asked, to be kept. */
  takeChanged(): readonly Omit<HealthRow, 'owner'>[]
  /** Takes up what other processes know, dead ones included; the newest row of each counts. */
  absorb(rows: readonly HealthRow[]): void
}

type State = HealthSums &
  Circuit & {
    readonly pace: Pace
    /** Kept, because they are read for every request and change with an outcome only. */
    medianTtftMs: number | undefined
    throughputNow: number | undefined
    /** Outcomes, fading so fast that it says how much is known of now. */
    fresh: number
    probeUntil: number | undefined
    /** By process. */
    readonly others: Map<string, HealthRecord>
    /** Of all others together; kept, because it changes with what they write only. */
    sumOfOthers: HealthSums | undefined
    ttftOfOthers: number | undefined
  }

/** Keeps health in memory; endpoints are named by their key. */
export function createHealth(clock: Pick<Clock, 'now'>): Health {
  const states = new Map<string, State>()
  const changed = new Set<string>()
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
      state.fresh = freshOf(state, now)
      fade(state, now)
      count(state, outcome)
      measure(state, outcome, now)
      cool(state, outcome, now)
      changed.add(endpoint)
    },
    takeChanged() {
      const rows = [...changed].map((endpoint) => {
        const state = stateOf(endpoint)
        return { endpoint, at: state.at, state: writeRecord({ ...state, ttftMs: state.medianTtftMs }) }
      })
      changed.clear()
      return rows
    },
    absorb(rows) {
      const now = clock.now()
      for (const { endpoint, owner, state } of rows) {
        const record = readRecord(state)
        // A row from the future is of a clock that has been set back; believed, it would never fade.
        if (record !== undefined && record.at <= now) takeUp(stateOf(endpoint), owner, record, now)
      }
    },
  }
}

/** The newer word on the circuit counts, whoever has it; a limit holds until its end. */
function takeUp(state: State, owner: string, record: HealthRecord, now: number): void {
  state.others.set(owner, record)
  for (const [name, { at }] of state.others) if (now - at > FORGET_MS) state.others.delete(name)
  const others = [...state.others.values()]
  state.sumOfOthers = others.length === 0 ? undefined : addSums(others)
  const measured = others.filter(({ ttftMs }) => ttftMs !== undefined).toSorted((a, b) => b.at - a.at)
  state.ttftOfOthers = measured[0]?.ttftMs
  state.limitedUntil = Math.max(state.limitedUntil, record.limitedUntil)
  if (record.circuitAt <= state.circuitAt) return
  const { circuitAt, consecutive, ejections, ejectedUntil } = record
  Object.assign(state, { circuitAt, consecutive, ejections, ejectedUntil })
}

const UNMEASURED: HealthView = { uptime: undefined, countedRequests: 0, ttftMs: undefined, throughput: undefined }

function emptyState(now: number): State {
  return {
    ...emptySums(now),
    pace: createPace(),
    medianTtftMs: undefined,
    throughputNow: undefined,
    fresh: 0,
    circuitAt: 0,
    consecutive: 0,
    ejections: 0,
    limitedUntil: 0,
    ejectedUntil: undefined,
    probeUntil: undefined,
    others: new Map(),
    sumOfOthers: undefined,
    ttftOfOthers: undefined,
  }
}

function count(state: State, { verdict }: Outcome): void {
  if (verdict === 'neutral') return
  state.all += 1
  if (verdict !== 'success') state.failures += 1
  if (verdict === 'success') state.successes += 1
  if (verdict === 'success' || verdict === 'against') {
    state.counted += 1
    state.fresh += 1
  }
}

function freshOf({ fresh, at }: State, now: number): number {
  return fresh * 0.5 ** (Math.max(0, now - at) / FRESH_HALF_LIFE_MS)
}

function measure(state: State, { ttftMs, outputTokens, totalMs }: Outcome, now: number): void {
  if (ttftMs !== undefined && ttftMs >= 0) {
    state.medianTtftMs = state.pace.ttft(ttftMs, now)
  }
  if (outputTokens !== undefined && totalMs !== undefined && outputTokens > 0 && totalMs > 0) {
    state.outputTokens += outputTokens
    state.generationMs += totalMs
    state.throughputNow = state.pace.throughput(outputTokens, totalMs, now)
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
  if (verdict === 'success' || verdict === 'against') state.circuitAt = now
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
  const { sumOfOthers } = state
  const isOld = (sums: HealthSums) => now - sums.at > FORGET_MS
  const others = sumOfOthers === undefined || isOld(sumOfOthers) ? undefined : sumOfOthers
  if (others === undefined && isOld(state)) return UNMEASURED
  const sums = others === undefined ? state : addSums([state, others])
  return {
    uptime: sums.counted > 0 ? sums.successes / sums.counted : undefined,
    countedRequests: sums.counted * fadedBy(sums.at, now),
    freshRequests: freshOf(state, now),
    ttftMs: state.medianTtftMs ?? (others === undefined ? undefined : state.ttftOfOthers),
    throughput: state.throughputNow ?? (sums.generationMs > 0 ? (sums.outputTokens * 1000) / sums.generationMs : undefined),
    errorRate: sums.all > 0 ? sums.failures / sums.all : undefined,
  }
}
