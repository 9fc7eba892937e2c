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
  const read = candidates.map(readCandidate)
  const scored = by === 'balanced' ? scoreBalanced(read, weights) : scoreByAxis(read, by)
  if (scored.length > 1) scored.sort(comparator(options))
  return scored.map(({ candidate, score, terms, isGated }, at) => ({ candidate, rank: at + 1, score, terms, isGated }))
}

/** A candidate with the value of every axis, read once. */
type Read = { readonly candidate: Candidate; readonly values: Values; readonly key: string; readonly isGated: boolean }
type Values = Readonly<Record<AxisId, number | undefined>>
type Scored = Read & Pick<Ranked, 'score' | 'terms'>

function readCandidate(candidate: Candidate): Read {
  const values = termsOf((axis) => axis.read(candidate))
  return { candidate, values, key: endpointKey(candidate.endpoint), isGated: isGated(candidate) }
}

function comparator({ by, byokFirst }: RankOptions): (a: Scored, b: Scored) => number {
  const better = by === 'balanced' ? 'higher' : axisOf(by).better
  const ties: readonly TieBreak[] = by === 'balanced' ? ['cost', 'uptime', 'errorRate'] : axisOf(by).ties
  return (a, b) =>
    Number(a.isGated) - Number(b.isGated) ||
    (byokFirst ? Number(b.candidate.byok) - Number(a.candidate.byok) : 0) ||
    compareValues(a.score, b.score, better) ||
    compareTies(a, b, ties) ||
    (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)
}

function scoreByAxis(read: readonly Read[], by: AxisId): Scored[] {
  return read.map((each) => ({ ...each, score: each.values[by], terms: each.values }))
}

/**
 * Each axis becomes best ÷ own (or own ÷ best), its weighted sum the score; a provider's own weight scales the whole. What has
 * not been measured takes the median of what has, so that a newcomer is neither first nor last.
 */
function scoreBalanced(read: readonly Read[], weights: Weights): Scored[] {
  const scaleById = new Map(axes.map((axis) => [axis.id, scaleOfAxis(axis, read)]))
  const total = axes.reduce((sum, axis) => sum + weights[axis.id], 0)
  return read.map(({ candidate, values, key, isGated }) => {
    let blended = 0
    const terms = termsOf(({ id }) => {
      const share = scaleById.get(id)?.(values[id])
      blended += weights[id] * (share ?? 1)
      return share
    })
    const score = total > 0 ? rounded((blended / total) * candidate.endpoint.provider.weight) : undefined
    return { candidate, values, key, isGated, score, terms }
  })
}

/** Sums of the same shares must tie whatever order they were added in, so that the tie-breaks decide and not the last bit. */
function rounded(score: number): number {
  return Math.round(score * 1e12) / 1e12
}

type Scale = (value: number | undefined) => number | undefined

/** Gives the function that makes a share of a value; with nothing measured at all there is nothing to compare. */
function scaleOfAxis({ id, better }: (typeof axes)[number], read: readonly Read[]): Scale {
  // Who is alone is the best of all.
  if (read.length === 1) return (value) => (value === undefined ? undefined : 1)
  const measured = new Float64Array(read.length)
  let count = 0
  for (const { values } of read) {
    const value = values[id]
    if (value !== undefined) measured[count++] = value
  }
  if (count === 0) return () => undefined
  const sorted = measured.subarray(0, count).sort()
  const [median, lowest, highest] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[0], sorted.at(-1)] as [number, number, number]
  // The lower of the two middle values of an even number, so that a median is always somebody's.
  if (better === 'higher') return (value = median) => (highest > 0 ? Math.max(value, 0) / highest : 1)
  // Beside something free every price is infinitely dear; the tie-breaks still tell the others apart.
  return (value = median) => (value <= lowest ? 1 : Math.max(lowest, 0) / value)
}

function isGated({ health }: Candidate): boolean {
  return health.uptime !== undefined && health.uptime < UPTIME_GATE && health.countedRequests >= UPTIME_GATE_REQUESTS
}

function axisOf(id: AxisId) {
  return axes.find((axis) => axis.id === id) ?? axes[0]
}

function termsOf(valueOf: (axis: (typeof axes)[number]) => number | undefined): Values {
  const values: Partial<Record<AxisId, number | undefined>> = {}
  for (const axis of axes) values[axis.id] = valueOf(axis)
  return values as Values
}

/** The unknown comes after everything known. */
function compareValues(a: number | undefined, b: number | undefined, better: 'lower' | 'higher'): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a === b ? 0 : a < b === (better === 'lower') ? -1 : 1
}

function compareTies(a: Scored, b: Scored, ties: readonly TieBreak[]): number {
  for (const tie of ties) {
    const verdict =
      tie === 'errorRate'
        ? compareValues(a.candidate.health.errorRate, b.candidate.health.errorRate, 'lower')
        : compareValues(a.values[tie], b.values[tie], axisOf(tie).better)
    if (verdict !== 0) return verdict
  }
  return 0
}
