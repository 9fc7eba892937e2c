/** Outcomes of real traffic per endpoint: decayed uptime, medians of speed, ejection with one probe at a time. */
import type { RouteplaneError } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { unmeasured, type HealthView } from './axis.ts'
import { judgeFailure } from './outcome.ts'

export type Outcome =
  | { readonly kind: 'success'; readonly ttftMs: number; readonly totalMs: number; readonly outputTokens: number | undefined }
  | { readonly kind: 'failure'; readonly error: RouteplaneError; readonly ms: number }

export type Health = {
  record(endpoint: Endpoint, outcome: Outcome): void
  view(endpoint: Endpoint): HealthView
  /** Until when an endpoint is left alone, in epoch milliseconds; `undefined` when it may be asked. */
  coolingUntil(endpoint: Endpoint): number | undefined
  /** Claims the one probe an ejected endpoint gets after its cool-down; free to call for a healthy one. */
  begin(endpoint: Endpoint): void
}

const HALF_LIFE_MS = 5 * 60_000
const WINDOW_MS = 60 * 60_000
const MAX_SAMPLES = 64
const EJECT_AFTER = 5
const BASE_COOL_DOWN_MS = 30_000
const MAX_COOL_DOWN_MS = 10 * 60_000

type Sample = { readonly at: number; readonly value: number }

type Row = {
  updatedAt: number
  succeeded: number
  failed: number
  apart: number
  consecutive: number
  ejections: number
  coolUntil: number
  probing: boolean
  ttft: Sample[]
  throughput: Sample[]
}

export function createHealth(clock: Clock): Health {
  const rows = new Map<string, Row>()

  function rowOf(endpoint: Endpoint): Row {
    const key = endpointKey(endpoint)
    const row = rows.get(key) ?? emptyRow(clock.now())
    rows.set(key, row)
    return row
  }

  return {
    record(endpoint, outcome) {
      const row = rowOf(endpoint)
      const now = clock.now()
      decay(row, now)
      row.probing = false
      if (outcome.kind === 'success') recordSuccess(row, outcome, now)
      else recordFailure(row, outcome.error, now)
    },
    view(endpoint) {
      const row = rows.get(endpointKey(endpoint))
      if (row === undefined) return unmeasured
      const now = clock.now()
      decay(row, now)
      const counted = row.succeeded + row.failed
      const all = counted + row.apart
      return {
        uptime: counted < 0.5 ? undefined : row.succeeded / counted,
        countedRequests: counted,
        ttftMs: median(row.ttft, now),
        throughput: median(row.throughput, now),
        errorRate: all < 0.5 ? undefined : (row.failed + row.apart) / all,
      }
    },
    coolingUntil(endpoint) {
      const row = rows.get(endpointKey(endpoint))
      if (row === undefined) return undefined
      const now = clock.now()
      if (row.coolUntil > now) return row.coolUntil
      // The cool-down is over but nobody knows yet whether it helped: one request at a time may find out.
      return row.probing && row.consecutive >= EJECT_AFTER ? now + 1_000 : undefined
    },
    begin(endpoint) {
      const row = rows.get(endpointKey(endpoint))
      if (row !== undefined && row.consecutive >= EJECT_AFTER) row.probing = true
    },
  }
}

function emptyRow(now: number): Row {
  return {
    updatedAt: now,
    succeeded: 0,
    failed: 0,
    apart: 0,
    consecutive: 0,
    ejections: 0,
    coolUntil: 0,
    probing: false,
    ttft: [],
    throughput: [],
  }
}

function recordSuccess(row: Row, outcome: Outcome & { kind: 'success' }, now: number): void {
  row.succeeded += 1
  row.consecutive = 0
  row.ejections = 0
  row.coolUntil = 0
  push(row.ttft, now, outcome.ttftMs)
  if (outcome.outputTokens !== undefined && outcome.outputTokens > 0 && outcome.totalMs > 0) {
    push(row.throughput, now, (outcome.outputTokens * 1_000) / outcome.totalMs)
  }
}

function recordFailure(row: Row, error: RouteplaneError, now: number): void {
  const verdict = judgeFailure(error)
  if (verdict === 'neutral') return
  if (verdict === 'apart') {
    row.apart += 1
    if (error.retryAfterMs !== undefined) row.coolUntil = Math.max(row.coolUntil, now + Math.min(error.retryAfterMs, WINDOW_MS))
    return
  }
  row.failed += 1
  row.consecutive += 1
  if (row.consecutive < EJECT_AFTER) return
  row.coolUntil = now + Math.min(MAX_COOL_DOWN_MS, BASE_COOL_DOWN_MS * 2 ** row.ejections)
  row.ejections = Math.min(row.ejections + 1, 16)
}

function decay(row: Row, now: number): void {
  const factor = 0.5 ** (Math.max(0, now - row.updatedAt) / HALF_LIFE_MS)
  row.succeeded *= factor
  row.failed *= factor
  row.apart *= factor
  row.updatedAt = now
}

function push(samples: Sample[], at: number, value: number): void {
  samples.push({ at, value })
  if (samples.length > MAX_SAMPLES) samples.shift()
}

function median(samples: readonly Sample[], now: number): number | undefined {
  const values = samples.filter(({ at }) => now - at <= WINDOW_MS).map(({ value }) => value)
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}
