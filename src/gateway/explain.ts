/** Shows a decision as data: candidates with every term, refusals with their reasons, attempts with their quotes. */
import { endpointKey, type Endpoint } from '../registry/endpoint.ts'
import { BALANCED_VERSION } from '../selection/index.ts'
import { questionOf } from './approval.ts'
import type { Decision, ExplainedCandidate, GatewayCall, PlannedAttempt } from './call.ts'
import type { GatewayContext } from './context.ts'
import { survey, type Decided } from './decide.ts'
import type { Lanes } from './lane.ts'
import { refusalOf } from './refusal.ts'

/** Makes the decision of a call without sending it; nothing is held and nothing is spent. */
export function explain(call: GatewayCall, context: GatewayContext): Decision {
  const decided = survey(call, context)
  const decision = describe(decided)
  const isAsked = decided.attempts.map((attempt) => questionOf(attempt, decided, context) !== undefined)
  return {
    ...decision,
    attempts: decision.attempts.map((attempt, at) => (isAsked[at] === true ? { ...attempt, needsApproval: true } : attempt)),
  }
}

/** The same of a decision that has been made. */
export function describe(decided: Decided): Decision {
  const { call } = decided
  const error = decided.attempts.length === 0 ? refusalOf(decided) : undefined
  return {
    requestId: call.id,
    requested: call.read.model,
    resolved: decided.targets.map(({ model }) => model),
    capUsd: decided.capUsd,
    weightsVersion: BALANCED_VERSION,
    candidates: decided.ranked.flatMap((list) =>
      list.map(({ candidate, score, terms }, at) => ({
        endpoint: endpointKey(candidate.endpoint),
        model: candidate.endpoint.modelId,
        rank: at + 1,
        score,
        terms,
        ...(decided.explored.has(candidate.endpoint) ? { explored: true as const } : {}),
        ...lossesAt(candidate.endpoint, decided.lanes),
        ...(candidate.boundUsd === undefined ? {} : { boundUsd: candidate.boundUsd }),
        ...(candidate.expectedUsd === undefined ? {} : { expectedUsd: candidate.expectedUsd }),
        ...(candidate.savingUsd === undefined ? {} : { savingUsd: candidate.savingUsd }),
      })),
    ),
    refused: decided.refused,
    attempts: decided.attempts.map(({ candidate, mode }) => ({
      endpoint: endpointKey(candidate.endpoint),
      mode,
      ...warningsAt(candidate.endpoint, decided),
      ...(candidate.boundUsd === undefined ? {} : { boundUsd: candidate.boundUsd }),
      ...(candidate.expectedUsd === undefined ? {} : { expectedUsd: candidate.expectedUsd }),
    })),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
  }
}

function warningsAt(endpoint: Endpoint, { warningsOf }: Decided): Pick<PlannedAttempt, 'warnings'> {
  const warnings = warningsOf(endpoint)
  return warnings.length === 0 ? {} : { warnings }
}

function lossesAt(endpoint: Endpoint, lanes: Lanes): Pick<ExplainedCandidate, 'losses'> {
  const lane = lanes.laneOf(endpoint)
  return lane.kind === 'translate' || (lane.kind === 'native' && lane.losses.length > 0) ? { losses: lane.losses } : {}
}
