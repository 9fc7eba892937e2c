/** Which failures count against a provider's uptime: the registry guide's sentence as a table. */
import type { ErrorCode, RouteplaneError } from '../errors.ts'

/** `against` lowers uptime; `apart` is tracked but not counted; `neutral` says nothing about the provider. */
export type Verdict = 'against' | 'apart' | 'neutral'

const byStatus: Readonly<Record<number, Verdict>> = {
  400: 'neutral',
  401: 'against',
  402: 'against',
  403: 'apart',
  404: 'against',
  408: 'against',
  413: 'neutral',
  422: 'neutral',
  429: 'apart',
}

const byCode: Partial<Record<ErrorCode, Verdict>> = {
  upstream_error: 'against',
  upstream_bad_stream: 'against',
  upstream_unreachable: 'against',
  upstream_timeout: 'against',
  upstream_rate_limited: 'apart',
  redirect_refused: 'against',
  response_too_large: 'against',
  stream_incomplete: 'against',
  idle_timeout: 'against',
  bad_challenge: 'against',
  bad_payee: 'against',
  payee_mismatch: 'against',
  unknown_asset: 'against',
  price_mismatch: 'against',
  challenge_expired: 'against',
  payment_rejected: 'against',
  payment_outcome_unknown: 'against',
  answer_lost: 'against',
}

/**
 * Judges a failure. A status the provider answered decides; otherwise our own code for what went wrong.
 *
 * @see Registry guide, "Reliability & Routing": 401, 402, 404, 5xx, mid-stream errors and error finish reasons count;
 *   400, 413 and 429 do not; 403 is tracked apart.
 */
export function judgeFailure(error: RouteplaneError): Verdict {
  const { status } = error.details
  if (typeof status === 'number' && error.code !== 'payment_outcome_unknown') {
    return byStatus[status] ?? (status >= 500 ? 'against' : 'neutral')
  }
  return byCode[error.code] ?? 'neutral'
}
