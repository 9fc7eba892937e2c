/** Which result of a call counts against an endpoint's uptime, which is tracked apart, and which is nobody's fault. */
import type { ErrorCode, RouteplaneError } from '../errors.ts'

/**
 * `against` and `success` make the uptime; `apart` (403) is only seen in the error rate, `limited` (429) cools the endpoint
 * down, `neutral` says nothing about it.
 */
export type Verdict = 'success' | 'against' | 'apart' | 'limited' | 'neutral'

/** One finished call, as health remembers it. */
export type Outcome = {
  readonly verdict: Verdict
  /** Milliseconds from sending to the first content. */
  readonly ttftMs?: number
  /** Tokens and milliseconds of the whole generation, waiting included; only together do they mean a throughput. */
  readonly outputTokens?: number
  readonly totalMs?: number
  /** How long a 429 asked us to stay away, in milliseconds. */
  readonly retryAfterMs?: number
}

/** Statuses with a verdict of their own. @see Registry guide, "Reliability & Routing" */
const byStatus: Readonly<Record<number, Verdict>> = {
  400: 'neutral',
  401: 'against',
  402: 'against',
  403: 'apart',
  404: 'against',
  408: 'against',
  413: 'neutral',
  429: 'limited',
}

/**
 * Judges a status the provider answered with.
 *
 * @param wasPaid - Whether a payment had been shown: a 402 before that is an ordinary first challenge, no failure.
 */
export function verdictOfStatus(status: number, wasPaid: boolean): Verdict {
  if (status === 402 && !wasPaid) return 'neutral'
  if (status >= 500 || (status >= 300 && status < 400)) return 'against'
  if (status >= 200 && status < 300) return 'success'
  return byStatus[status] ?? 'neutral'
}

/** Codes whose fault is the provider's but which say nothing about how well it serves. */
const exceptions: Partial<Readonly<Record<ErrorCode, Verdict>>> = { upstream_rate_limited: 'limited' }

/**
 * Judges the error a call ended with. The upstream's own status (`details.status`) counts where there is one; otherwise every
 * fault of the upstream does: timeouts, broken streams, an error after a good status, terms that are not the manifest's.
 */
export function verdictOfError(error: RouteplaneError): Verdict {
  const status: unknown = error.details['status']
  if (error.fault === 'upstream' && typeof status === 'number' && status >= 300) return verdictOfStatus(status, true)
  return exceptions[error.code] ?? (error.fault === 'upstream' ? 'against' : 'neutral')
}

/** Gives what health should remember of a call that ended with an error. */
export function outcomeOfError(error: RouteplaneError): Outcome {
  const { retryAfterMs } = error
  return { verdict: verdictOfError(error), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}
