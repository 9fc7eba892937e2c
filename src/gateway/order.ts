/** Orders who is eligible for one target: as it lists them, as the caller orders providers, as a variant or `sort` ranks them. */
import type { Loss } from '../protocol/loss.ts'
import type { Extensions, ProviderRules } from '../protocol/extensions.ts'
import type { Endpoint, PaymentModeName } from '../registry/endpoint.ts'
import type { EligibleCandidate } from '../routing/eligible.ts'
import type { Target } from '../routing/resolve.ts'
import { explore } from '../selection/explore.ts'
import { rank, type Ranked } from '../selection/rank.ts'
import { orderOfVariant, sortOrderOf } from '../selection/variant.ts'
import type { GatewayRules } from './context.ts'
import { semanticLosses, type Lanes } from './lane.ts'

export type OrderOptions = {
  readonly requestId: string
  readonly extensions: Extensions
  /** Payment modes in order. */
  readonly prefer: readonly PaymentModeName[]
  readonly lanes: Lanes
  readonly rules: Pick<GatewayRules, 'weights' | 'explorationShare'>
}

export type Ordered = {
  readonly ranked: readonly Ranked[]
  /** Whom curiosity has put first. */
  readonly explored?: Endpoint
}

/**
 * Gives the order in which the eligible are to be tried.
 *
 * In the default order, an endpoint that loses less of the request's meaning by translation goes before one that loses
 * more, however good its score, but never before a healthy one when it is gated, nor before one that the caller has a
 * key for. Who asked for an axis gets that axis: losses, there as in general of hints, only decide between equal scores.
 */
export function order(target: Target, eligible: readonly EligibleCandidate[], options: OrderOptions): Ordered {
  const { extensions, prefer, lanes, rules } = options
  const { provider: wanted = {} } = extensions
  const { sort, order: wantedFirst = [] } = wanted
  const by =
    target.variant === undefined ? ((sort === undefined ? undefined : sortOrderOf(sort)) ?? 'balanced') : orderOfVariant(target.variant)
  // An axis that was asked for is asked of everybody alike; only the default order lets the caller's own keys go first.
  const byokFirst = by === 'balanced' && prefer[0] === 'byok'
  const ranked = rank(eligible, { by, weights: rules.weights, byokFirst })
  if (ranked.length < 2) return { ranked }
  // Mostly everybody speaks the caller's own wire: then there is nothing to weigh.
  const isLossless = ranked.every((each) => lossesOf(each, lanes).length === 0)
  const kept = isLossless ? ranked : byLosses(ranked, lanes, { byokFirst, isBalanced: by === 'balanced' })
  if (target.ordered) return { ranked: sortedBy(kept, ({ candidate }) => target.endpoints.indexOf(candidate.endpoint)) }
  if (wantedFirst.length > 0) {
    const placeOf = (at: number) => (at === -1 ? wantedFirst.length : at)
    return { ranked: sortedBy(kept, ({ candidate }) => placeOf(wantedFirst.indexOf(candidate.endpoint.provider.id))) }
  }
  const isPaced = wanted.preferredMinThroughput !== undefined || wanted.preferredMaxLatencyMs !== undefined
  if (isPaced) return { ranked: sortedBy(kept, (each) => (each.isGated ? 2 : Number(isTooSlow(each, wanted)))) }
  // Who named a provider or an order gets what he named.
  if (target.pinned || target.variant !== undefined || sort !== undefined) return { ranked: kept }
  const tried = explore(kept, rules.explorationShare, options.requestId)
  const [first] = tried
  return first === undefined || first === kept[0] ? { ranked: kept } : { ranked: tried, explored: first.candidate.endpoint }
}

/** Whoever has not been measured is not taken to be slow. */
function isTooSlow(
  { candidate: { health } }: Ranked,
  { preferredMinThroughput = 0, preferredMaxLatencyMs = Infinity }: ProviderRules,
): boolean {
  return (health.throughput ?? Infinity) < preferredMinThroughput || (health.ttftMs ?? -Infinity) > preferredMaxLatencyMs
}

function sortedBy(ranked: readonly Ranked[], keyOf: (each: Ranked) => number): readonly Ranked[] {
  return ranked.toSorted((a, b) => keyOf(a) - keyOf(b))
}

/** Sorts what is ranked by the criteria above; every one of them comes before the next, and the rank comes last. */
function byLosses(
  ranked: readonly Ranked[],
  lanes: Lanes,
  { byokFirst, isBalanced }: { byokFirst: boolean; isBalanced: boolean },
): readonly Ranked[] {
  const keysOf = (each: Ranked): readonly number[] => {
    const losses = lossesOf(each, lanes)
    const semantic = semanticLosses(losses)
    const isEqual = ({ isGated, candidate, score }: Ranked) =>
      isGated === each.isGated && candidate.byok === each.candidate.byok && score === each.score
    const byok = byokFirst && each.candidate.byok ? 0 : 1
    return [Number(each.isGated), byok, isBalanced ? semantic : 0, ranked.findIndex(isEqual), semantic, losses.length, each.rank]
  }
  const keyed = ranked.map((each) => ({ each, keys: keysOf(each) }))
  return keyed.toSorted((a, b) => compareKeys(a.keys, b.keys)).map(({ each }) => each)
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((key, index) => key !== b[index])
  return at === -1 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

function lossesOf({ candidate }: Ranked, lanes: Lanes): readonly Loss[] {
  const lane = lanes.laneOf(candidate.endpoint)
  return lane.kind === 'refused' ? [] : lane.losses
}
