/** Orders eligible endpoints: one axis with its tie-breaks, or the balanced blend; total, deterministic, explainable. */
import { endpointKey } from '../registry/endpoint.ts'
import type { Axis, Candidate } from './axis.ts'
import { axes, balancedWeights, type AxisId, type Sort } from './index.ts'

export type RankOptions = {
  readonly sort: Sort
  readonly weights?: Readonly<Record<AxisId, number>>
  /** Whether providers the caller pays with keys of his own go first; only the balanced order asks. */
  readonly byokFirst: boolean
  /** Provider ids the caller wants first, in this order. */
  readonly order?: readonly string[]
}

export type Ranked = {
  readonly candidate: Candidate
  /** The blend in (0, 1]; `undefined` when one axis decided. */
  readonly score: number | undefined
  /** Each axis as it was compared: for the blend best ÷ own, for one axis the measured value. */
  readonly terms: Readonly<Record<AxisId, number | undefined>>
  /** Behind every healthy endpoint because it fails too often. */
  readonly unhealthy: boolean
}

/** Below this share of successes, once this many requests were counted, an endpoint goes behind every healthy one. */
export const UPTIME_GATE = { uptime: 0.8, countedRequests: 20 } as const

/** Ranks candidates, best first. The same candidates give the same order, whatever order they came in. */
export function rank(candidates: readonly Candidate[], options: RankOptions): readonly Ranked[] {
  const values = new Map(axes.map((axis) => [axis.id, fillGaps(axis, candidates)]))
  const blended = options.sort === 'balanced'
  const ranked = candidates.map((candidate): Ranked => {
    const terms = blended ? shares(candidate, values) : measured(candidate)
    const score = blended ? blend(terms, options.weights ?? balancedWeights) : undefined
    return { candidate, score, terms, unhealthy: isUnhealthy(candidate) }
  })
  const compare = blended ? compareBlend(values) : compareAlong(options.sort as AxisId, values)
  return ranked.toSorted(
    (a, b) =>
      preferred(a, options) - preferred(b, options) ||
      Number(a.unhealthy) - Number(b.unhealthy) ||
      (blended && options.byokFirst ? Number(b.candidate.byok) - Number(a.candidate.byok) : 0) ||
      compare(a, b) ||
      compareKeys(a, b),
  )
}

type Values = ReadonlyMap<string, ReadonlyMap<Candidate, number>>

/** What has not been measured takes the median of what has: a newcomer is neither first nor last. */
function fillGaps(axis: Axis, candidates: readonly Candidate[]): ReadonlyMap<Candidate, number> {
  const known = candidates.map((candidate) => axis.read(candidate)).filter((value) => value !== undefined)
  const median = known.toSorted((a, b) => a - b)[Math.floor((known.length - 1) / 2)]
  return new Map(candidates.map((candidate) => [candidate, axis.read(candidate) ?? median ?? 0]))
}

function shares(candidate: Candidate, values: Values): Record<AxisId, number | undefined> {
  const terms = {} as Record<AxisId, number | undefined>
  for (const axis of axes) {
    const column = values.get(axis.id)
    const own = column?.get(candidate)
    if (column === undefined || own === undefined) continue
    const all = [...column.values()]
    terms[axis.id] = axis.better === 'lower' ? share(Math.min(...all), own) : share(own, Math.max(...all))
  }
  return terms
}

/** Both zero is equally good; only one zero cannot be divided by and is the best or the worst there is. */
function share(less: number, more: number): number {
  return more === 0 ? 1 : less / more
}

function measured(candidate: Candidate): Record<AxisId, number | undefined> {
  const terms = {} as Record<AxisId, number | undefined>
  for (const axis of axes) terms[axis.id] = axis.read(candidate)
  return terms
}

function blend(terms: Readonly<Record<AxisId, number | undefined>>, weights: Readonly<Record<AxisId, number>>): number {
  const total = axes.reduce((sum, { id }) => sum + weights[id], 0)
  return axes.reduce((sum, { id }) => sum + (weights[id] * (terms[id] ?? 1)) / total, 0)
}

function compareBlend(values: Values): (a: Ranked, b: Ranked) => number {
  const ties = compareTies(['cost', 'uptime', 'latency', 'throughput'], values)
  return (a, b) => (b.score ?? 0) - (a.score ?? 0) || ties(a, b)
}

function compareAlong(sort: AxisId, values: Values): (a: Ranked, b: Ranked) => number {
  const axis = axes.find(({ id }) => id === sort)
  return compareTies([sort, ...(axis?.ties ?? [])], values)
}

function compareTies(chain: readonly string[], values: Values): (a: Ranked, b: Ranked) => number {
  return (a, b) => {
    for (const id of chain) {
      const difference = id === 'error_rate' ? errorRate(a) - errorRate(b) : along(id, a, b, values)
      if (difference !== 0) return difference
    }
    return 0
  }
}

function along(id: string, a: Ranked, b: Ranked, values: Values): number {
  const axis = axes.find((candidate) => candidate.id === id)
  const column = values.get(id)
  const difference = (column?.get(a.candidate) ?? 0) - (column?.get(b.candidate) ?? 0)
  return axis?.better === 'higher' ? -difference : difference
}

function errorRate({ candidate }: Ranked): number {
  return candidate.health.errorRate ?? 0
}

function isUnhealthy({ health }: Candidate): boolean {
  return health.uptime !== undefined && health.uptime < UPTIME_GATE.uptime && health.countedRequests >= UPTIME_GATE.countedRequests
}

function preferred({ candidate }: Ranked, { order = [] }: RankOptions): number {
  const at = order.indexOf(candidate.endpoint.provider.id)
  return at === -1 ? order.length : at
}

function compareKeys(a: Ranked, b: Ranked): number {
  const [one, other] = [endpointKey(a.candidate.endpoint), endpointKey(b.candidate.endpoint)]
  return one < other ? -1 : one > other ? 1 : 0
}
