/** A decision as JSON: the same for `POST /v1/route`, the command line, and the row that a request leaves behind. */
import { isRecord, tryParseJson } from '../lib/json.ts'
import { formatUsd, type Usd } from '../money.ts'
import type { Decision } from './call.ts'

/** Amounts are US dollars as decimal text; `null` is unknown. */
export type DecisionCard = {
  readonly request_id: string
  readonly requested: string
  readonly resolved: readonly string[]
  readonly cap_usd: string
  readonly weights_version?: number | undefined
  readonly attempts: readonly {
    readonly endpoint: string
    readonly mode: string
    readonly expected_usd: string | null
    readonly bound_usd: string | null
    readonly needs_approval?: true
  }[]
  readonly candidates: readonly CandidateCard[]
  readonly refused: readonly { readonly endpoint: string; readonly model: string; readonly reason: string; readonly detail: string }[]
  /** How many candidates and refusals are left out of a kept card. */
  readonly left_out?: number
  readonly error?: { readonly code: string; readonly message: string }
}

type CandidateCard = {
  readonly endpoint: string
  readonly model: string
  readonly rank: number
  readonly score: number | null
  readonly explored?: true
  /** Each axis as it was compared; an axis nobody has measured is left out. */
  readonly terms: Readonly<Record<string, number | undefined>>
  readonly expected_usd: string | null
  readonly bound_usd: string | null
  /** What the expected cost leaves out, because the endpoint's prompt cache may hold the beginning of the conversation. */
  readonly saving_usd?: string
  /** What a translation to this endpoint's wire would lose. */
  readonly losses?: readonly string[]
}

export function decisionCard(decision: Decision): DecisionCard {
  return {
    request_id: decision.requestId,
    requested: decision.requested,
    resolved: decision.resolved,
    cap_usd: formatUsd(decision.capUsd),
    weights_version: decision.weightsVersion,
    attempts: decision.attempts.map(({ endpoint, mode, expectedUsd, boundUsd, needsApproval }) => ({
      endpoint,
      mode,
      ...amounts(expectedUsd, boundUsd),
      ...(needsApproval === undefined ? {} : { needs_approval: needsApproval }),
    })),
    candidates: decision.candidates.map(({ endpoint, model, rank, score, explored, terms, expectedUsd, boundUsd, savingUsd, losses }) => ({
      endpoint,
      model,
      rank,
      score: score ?? null,
      ...(explored === undefined ? {} : { explored }),
      terms,
      ...amounts(expectedUsd, boundUsd),
      ...(savingUsd === undefined ? {} : { saving_usd: formatUsd(savingUsd) }),
      ...(losses === undefined || losses.length === 0 ? {} : { losses: losses.map(({ path, how }) => `${path}: ${how}`) }),
    })),
    refused: decision.refused.map(({ endpoint, model, reason, detail }) => ({ endpoint, model, reason, detail })),
    ...(decision.error === undefined ? {} : { error: decision.error }),
  }
}

function amounts(expected: Usd | undefined, bound: Usd | undefined) {
  const text = (usd: Usd | undefined) => (usd === undefined ? null : formatUsd(usd))
  return { expected_usd: text(expected), bound_usd: text(bound) }
}

const MAX_KEPT_ROWS = 16
const MAX_KEPT_CHARACTERS = 16_384

/** The card as a request's row keeps it: the first of each list, and nothing when even that is too long. */
export function keptDecision(decision: Decision): { readonly decision?: string } {
  const { candidates, refused } = decision
  const [first, reasons] = [candidates.slice(0, MAX_KEPT_ROWS), refused.slice(0, MAX_KEPT_ROWS)]
  const leftOut = candidates.length + refused.length - first.length - reasons.length
  const card = decisionCard({ ...decision, candidates: first, refused: reasons })
  const text = JSON.stringify(leftOut === 0 ? card : { ...card, left_out: leftOut })
  return text.length > MAX_KEPT_CHARACTERS ? {} : { decision: text }
}

/** Reads a kept card. @returns `undefined` for what is none. */
export function readKeptDecision(text: string): DecisionCard | undefined {
  const card = tryParseJson(text)
  const isCard = isRecord(card) && [card['attempts'], card['candidates'], card['refused'], card['resolved']].every(Array.isArray)
  return isCard ? (card as DecisionCard) : undefined
}
