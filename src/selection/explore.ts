/** Sends a share of requests to whom least is known of, by a draw that anybody can repeat from the request's id. */
import type { Ranked } from './rank.ts'

/** So many counted requests of the winner mean that it is known; until then the ranking itself treats everybody as a newcomer. */
const KNOWN_REQUESTS = 20

/**
 * Puts the least-measured endpoint first when the draw of a request falls into the share. What was measured more than a minute
 * ago hardly counts: who was slow then may be fast by now, and nobody would ever know.
 *
 * Nobody is explored who costs more than a tenth above the winner, whose price or the winner's is unknown, whom the uptime gate
 * holds back, or who would be paid another way than the winner: curiosity may not cost a caller who brings his own key.
 *
 * @param share - 0 to 1; 0 never explores.
 * @param requestId - The same id gives the same draw.
 */
export function explore(ranked: readonly Ranked[], share: number, requestId: string): readonly Ranked[] {
  const [winner] = ranked
  if (winner === undefined || ranked.length < 2 || share <= 0) return ranked
  if (winner.candidate.health.countedRequests < KNOWN_REQUESTS || drawOf(requestId) >= share) return ranked
  const chosen = ranked
    .filter((each) => each !== winner && isNear(each, winner))
    .reduce<Ranked | undefined>((least, each) => (least === undefined || countOf(each) < countOf(least) ? each : least), undefined)
  if (chosen === undefined || countOf(chosen) >= countOf(winner)) return ranked
  return [chosen, ...ranked.filter((each) => each !== chosen)]
}

function isNear({ candidate, isGated }: Ranked, { candidate: winner }: Ranked): boolean {
  if (isGated || candidate.byok !== winner.byok) return false
  if (candidate.expectedUsd === undefined || winner.expectedUsd === undefined) return false
  return candidate.expectedUsd * 10n <= winner.expectedUsd * 11n
}

function countOf({ candidate: { health } }: Ranked): number {
  return health.freshRequests ?? health.countedRequests
}

/** A number from 0 up to 1, spread evenly over ids: FNV-1a, then a last mixing so that neighbours fall far apart. */
export function drawOf(requestId: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < requestId.length; at++) hash = Math.imul(hash ^ requestId.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x1_0000_0000
}
