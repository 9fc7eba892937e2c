/** Ranked endpoints and their payment modes become an ordered, bounded list of attempts. */
import type { Candidate } from '../selection/axis.ts'
import { endpointKey, type PaymentModeName } from '../registry/endpoint.ts'
import type { EligibleCandidate } from './eligible.ts'

export type Attempt = { readonly candidate: Candidate; readonly mode: PaymentModeName }

/** Why an endpoint cannot serve this request; shown by `routeplane route --explain` and in the error body. */
export type Refusal = {
  readonly endpoint: string
  readonly model: string
  readonly reason: RefusalReason
  readonly detail: string
  /** Epoch milliseconds at which the reason may be gone; only where time alone mends it. */
  readonly retryAt?: number
}

export type RefusalReason =
  | 'not_active'
  | 'not_ready'
  | 'deprecated'
  | 'excluded'
  | 'feature'
  | 'modality'
  | 'parameter'
  | 'context'
  | 'translation'
  | 'rate_limited'
  | 'cooling_down'
  | 'payment'
  | 'price_unknown'
  | 'price_above_cap'
  | 'approval'
  | 'max_price'
  | 'quantization'

/**
 * Lists the tries in order: targets as the caller listed them, their endpoints as ranked, the modes of one endpoint as
 * preferred. Each pair once, `maxAttempts` at the most. A further mode of one endpoint is there for a failure of the key or the
 * payment; after any other failure of the endpoint it is not to be tried.
 */
export function planAttempts(targets: readonly (readonly EligibleCandidate[])[], maxAttempts: number): readonly Attempt[] {
  const attempts: Attempt[] = []
  const seen = new Set<string>()
  for (const attempt of attemptsOf(targets)) {
    if (attempts.length === maxAttempts) break
    const key = `${endpointKey(attempt.candidate.endpoint)}\n${attempt.mode}`
    if (seen.has(key)) continue
    seen.add(key)
    attempts.push(attempt)
  }
  return attempts
}

function* attemptsOf(targets: readonly (readonly EligibleCandidate[])[]): Generator<Attempt> {
  for (const candidates of targets) {
    for (const candidate of candidates) for (const mode of candidate.modes) yield { candidate, mode }
  }
}
