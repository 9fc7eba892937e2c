/** Orders eligible endpoints: normalises, blends, breaks ties the same way every time, and can explain every score. */
import { endpointKey } from '../registry/endpoint.ts'
import type { Candidate, TieBreak } from './axis.ts'
import { axes, balancedWeights, type AxisId, type Weights } from './index.ts'
import type { SortOrder } from './variant.ts'

/** Below this share, with enough requests to mean something, an endpoint waits behind every healthy one. */
const UPTIME_GATE = 0.8
const UPTIME_GATE_REQUESTS = 20

export type RankOptions = {
  readonly by: SortOrder
  readonly weights?: Weights
  /** Whether endpoints the caller has a key for come before others; `payment.prefer` may say otherwise. */
  readonly byokFirst: boolean
}

export type Ranked = {
  readonly candidate: Candidate
  /** 1 is tried first. */
  readonly rank: number
  /** The balanced score from 0 to 1, or the value of the one axis; unitless, never money. */
  readonly score: number | undefined
  /** What the score is made of: each axis's share before its weight, as it was compared. */
  readonly terms: Readonly<Record<AxisId, number | undefined>>
  /** Whether the uptime gate put it behind the healthy. */
  readonly isGated: boolean
}

/**
 * Ranks candidates: healthy before gated, then those with the caller's own key, then by score, then by the tie-breaks of the
 * order, then by endpoint key. The same candidates give the same ranks in whatever order they come.
 *
 * Cheaper is never ranked worse by cost: an amount is compared as it is, rounded to a double on both sides.
 *
 * @see Routing guide, section 6
 */
export function rank(candidates: readonly Candidate[], options: RankOptions): readonly Ranked[] {
  const { by, weights = balancedWeights } = options
  const scored = by === 'balanced' ? scoreBalanced(candidates, weights) : scoreByAxis(candidates, by)
  if (scored.length < 2) return scored.map((each) => ({ ...each, rank: 1 }))
  const better = by === 'balanced' ? 'higher' : axisOf(by).better
  const ties: readonly TieBreak[] = by === 'balanced' ? ['cost', 'uptime', 'errorRate'] : axisOf(by).ties
  const compare = (a: Scored, b: Scored): number =>
    Number(a.isGated) - Number(b.isGated) ||
    (options.byokFirst ? Number(b.candidate.byok) - Number(a.candidate.byok) : 0) ||
    compareValues(a.score, b.score, better) ||
    compareTies(a.candidate, b.candidate, ties) ||
    compareKeys(a.candidate, b.candidate)
  return scored.toSorted(compare).map((each, index) => ({ ...each, rank: index + 1 }))
}

type Scored = Omit<Ranked, 'rank'>

function scoreByAxis(candidates: readonly Candidate[], by: AxisId): readonly Scored[] {
  return candidates.map((candidate) => ({
    candidate,
    score: axisOf(by).read(candidate),
    terms: termsOf((axis) => axis.read(candidate)),
    isGated: isGated(candidate),
  }))
}

/**
 * Each axis becomes best ÷ own (or own ÷ best), its weighted sum the score; a provider's own weight scales the whole. What has
 * not been measured takes the median of what has, so that a newcomer is neither first nor last.
 */
function scoreBalanced(candidates: readonly Candidate[], weights: Weights): readonly Scored[] {
  const scales = axes.map((axis) =>
    candidates.length === 1
      ? scaleOfOne
      : scaleOf(
          candidates.map((candidate) => axis.read(candidate)),
          axis.better,
        ),
  )
  const total = axes.reduce((sum, axis) => sum + weights[axis.id], 0)
  return candidates.map((candidate) => {
    const terms = termsOf((axis, at) => scales[at]?.(axis.read(candidate)))
    const blended = axes.reduce((sum, axis) => sum + weights[axis.id] * (terms[axis.id] ?? 1), 0)
    const score = total > 0 ? rounded((blended / total) * candidate.endpoint.provider.weight) : undefined
    return { candidate, score, terms, isGated: isGated(candidate) }
  })
}

/** Sums of the same shares must tie whatever order they were added in, so that the tie-breaks decide and not the last bit. */
function rounded(score: number): number {
  return Math.round(score * 1e12) / 1e12
}

/** The best of all by itself. */
const scaleOfOne = (value: number | undefined): number | undefined => (value === undefined ? undefined : 1)

/** Gives the function that makes a share of a value; with nothing measured at all there is nothing to compare. */
function scaleOf(values: readonly (number | undefined)[], better: 'lower' | 'higher'): (value: number | undefined) => number | undefined {
  const measured = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const median = medianOf(measured)
  const [lowest] = measured
  const highest = measured.at(-1)
  if (median === undefined || lowest === undefined || highest === undefined) return () => undefined
  if (better === 'higher') return (value = median) => (highest > 0 ? Math.max(value, 0) / highest : 1)
  // Beside something free every price is infinitely dear; the tie-breaks still tell the others apart.
  return (value = median) => (value <= lowest ? 1 : Math.max(lowest, 0) / value)
}

/** The lower of the two middle values of an even number, so that a median is always somebody's. */
function medianOf(sorted: readonly number[]): number | undefined {
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

function isGated({ health }: Candidate): boolean {
  return health.uptime !== undefined && health.uptime < UPTIME_GATE && health.countedRequests >= UPTIME_GATE_REQUESTS
}

function axisOf(id: AxisId) {
  return axes.find((axis) => axis.id === id) ?? axes[0]
}

function termsOf(read: (axis: (typeof axes)[number], at: number) => number | undefined): Readonly<Record<AxisId, number | undefined>> {
  const terms: Partial<Record<AxisId, number | undefined>> = {}
  for (const [at, axis] of axes.entries()) terms[axis.id] = read(axis, at)
  return terms as Record<AxisId, number | undefined>
}

/** The unknown comes after everything known. */
function compareValues(a: number | undefined, b: number | undefined, better: 'lower' | 'higher'): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a === b ? 0 : a < b === (better === 'lower') ? -1 : 1
}

function compareTies(a: Candidate, b: Candidate, ties: readonly TieBreak[]): number {
  for (const tie of ties) {
    const verdict =
      tie === 'errorRate'
        ? compareValues(a.health.errorRate, b.health.errorRate, 'lower')
        : compareValues(axisOf(tie).read(a), axisOf(tie).read(b), axisOf(tie).better)
    if (verdict !== 0) return verdict
  }
  return 0
}

function compareKeys(a: Candidate, b: Candidate): number {
  const [one, other] = [endpointKey(a.endpoint), endpointKey(b.endpoint)]
  return one < other ? -1 : one > other ? 1 : 0
}
