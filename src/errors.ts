/** The one error type, its table of codes, and what each code says about fault and status. */

/** What had happened to money when the error was made. Only `untouched` and `held` may be retried blindly. */
export const moneyStates = ['untouched', 'held', 'signed', 'settled', 'unknown'] as const
export type MoneyState = (typeof moneyStates)[number]

/** Whose doing it is: decides who is told, and whether a provider's uptime suffers. */
export type Fault = 'caller' | 'config' | 'upstream' | 'payment' | 'internal'

type Row = { readonly status: number; readonly fault: Fault }

/**
 * Every code a caller, an agent or a script may switch on. Stable; `status` is what the HTTP surface answers.
 *
 * After a signature exists no code with a status that SDKs retry (408, 409, 429, 5xx) may be answered: see
 * {@link answerStatus}.
 */
export const errorTable = {
  // The request
  invalid_request: { status: 400, fault: 'caller' },
  invalid_json: { status: 400, fault: 'caller' },
  duplicate_key: { status: 400, fault: 'caller' },
  nesting_too_deep: { status: 400, fault: 'caller' },
  invalid_model_id: { status: 400, fault: 'caller' },
  unknown_variant: { status: 400, fault: 'caller' },
  unknown_preset: { status: 400, fault: 'caller' },
  invalid_max_cost: { status: 400, fault: 'caller' },
  conflicting_max_cost: { status: 400, fault: 'caller' },
  invalid_idempotency_key: { status: 400, fault: 'caller' },
  unsupported_parameter: { status: 400, fault: 'caller' },
  bad_target: { status: 400, fault: 'caller' },
  duplicate_host: { status: 400, fault: 'caller' },
  http_parse: { status: 400, fault: 'caller' },
  header_too_large: { status: 431, fault: 'caller' },
  too_many_headers: { status: 431, fault: 'caller' },
  unauthorized: { status: 401, fault: 'caller' },
  payment_required: { status: 402, fault: 'caller' },
  invalid_payment: { status: 400, fault: 'caller' },
  invalid_quote: { status: 400, fault: 'caller' },
  payment_in_progress: { status: 409, fault: 'caller' },
  channel_closed: { status: 410, fault: 'caller' },
  payment_already_used: { status: 422, fault: 'caller' },
  host_forbidden: { status: 403, fault: 'caller' },
  origin_forbidden: { status: 403, fault: 'caller' },
  model_not_found: { status: 404, fault: 'caller' },
  model_forbidden: { status: 403, fault: 'caller' },
  key_not_found: { status: 404, fault: 'caller' },
  receipt_not_found: { status: 404, fault: 'caller' },
  invoice_not_found: { status: 404, fault: 'caller' },
  response_not_found: { status: 404, fault: 'caller' },
  not_found: { status: 404, fault: 'caller' },
  method_not_allowed: { status: 405, fault: 'caller' },
  body_too_large: { status: 413, fault: 'caller' },
  unsupported_media_type: { status: 415, fault: 'caller' },
  unsupported_encoding: { status: 415, fault: 'caller' },
  idempotency_conflict: { status: 422, fault: 'caller' },
  no_eligible_endpoint: { status: 422, fault: 'caller' },
  cancelled: { status: 499, fault: 'caller' },
  // Money
  budget_exceeded: { status: 403, fault: 'payment' },
  price_above_cap: { status: 403, fault: 'payment' },
  approval_required: { status: 403, fault: 'payment' },
  approval_denied: { status: 403, fault: 'payment' },
  approval_not_found: { status: 404, fault: 'caller' },
  insufficient_funds: { status: 403, fault: 'payment' },
  payment_outcome_unknown: { status: 424, fault: 'payment' },
  payment_rejected: { status: 424, fault: 'upstream' },
  answer_lost: { status: 424, fault: 'upstream' },
  bad_challenge: { status: 502, fault: 'upstream' },
  bad_payee: { status: 502, fault: 'upstream' },
  payee_mismatch: { status: 502, fault: 'upstream' },
  unknown_asset: { status: 502, fault: 'upstream' },
  unknown_network: { status: 502, fault: 'upstream' },
  unsupported_scheme: { status: 502, fault: 'upstream' },
  challenge_expired: { status: 502, fault: 'upstream' },
  price_mismatch: { status: 502, fault: 'upstream' },
  wallet_locked: { status: 503, fault: 'config' },
  policy_refused: { status: 502, fault: 'payment' },
  facilitator_unavailable: { status: 503, fault: 'payment' },
  settlement_unknown: { status: 503, fault: 'payment' },
  // The upstream
  upstream_error: { status: 502, fault: 'upstream' },
  upstream_bad_stream: { status: 502, fault: 'upstream' },
  upstream_unreachable: { status: 502, fault: 'upstream' },
  upstream_rate_limited: { status: 429, fault: 'upstream' },
  upstream_timeout: { status: 504, fault: 'upstream' },
  redirect_refused: { status: 502, fault: 'upstream' },
  private_address: { status: 502, fault: 'upstream' },
  response_too_large: { status: 502, fault: 'upstream' },
  stream_incomplete: { status: 502, fault: 'upstream' },
  idle_timeout: { status: 504, fault: 'upstream' },
  // Here
  store_unavailable: { status: 503, fault: 'internal' },
  overloaded: { status: 503, fault: 'internal' },
  internal: { status: 500, fault: 'internal' },
  // Config, registry, wallet files, command line (an exit code, not a status, reaches the user)
  config_invalid: { status: 500, fault: 'config' },
  aliases_forbidden: { status: 500, fault: 'config' },
  env_not_set: { status: 500, fault: 'config' },
  env_syntax: { status: 500, fault: 'config' },
  key_in_config: { status: 500, fault: 'config' },
  invalid_amount: { status: 400, fault: 'config' },
  manifest_invalid: { status: 500, fault: 'config' },
  keystore_exists: { status: 500, fault: 'config' },
  keystore_missing: { status: 500, fault: 'config' },
  keystore_invalid: { status: 500, fault: 'config' },
  keystore_bad_password: { status: 500, fault: 'config' },
  keystore_unsafe: { status: 500, fault: 'config' },
  invalid_key: { status: 500, fault: 'config' },
  key_on_command_line: { status: 500, fault: 'caller' },
  usage: { status: 500, fault: 'caller' },
  ledger_locked: { status: 500, fault: 'internal' },
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof errorTable

export type ErrorOptions = {
  /** One imperative sentence a person or an agent can act on. */
  readonly hint?: string
  readonly money?: MoneyState
  /** Safe to show: never a key, a header value or a body. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
  /** Milliseconds after which a retry may succeed. */
  readonly retryAfterMs?: number
  /** The upstream's own words, for a caller who speaks its wire. */
  readonly reply?: UpstreamReply
  /** How the caller may pay, on `payment_required`. */
  readonly challenge?: PaymentChallenge
}

/** What a 402 answer carries besides the error: headers, and members of the body for clients that look there. */
export type PaymentChallenge = {
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: Readonly<Record<string, unknown>>
}

/** An upstream's error answer as it came: agents recover by its wording, so the native lane forwards it. */
export type UpstreamReply = { readonly wire: string; readonly status: number; readonly contentType: string; readonly body: Uint8Array }

/** Anything Routeplane refuses or fails at, with whose fault it is and what happened to the money. */
export class RouteplaneError extends Error {
  override readonly name: string = 'RouteplaneError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly details: Readonly<Record<string, unknown>>
  readonly retryAfterMs: number | undefined
  readonly reply: UpstreamReply | undefined
  readonly challenge: PaymentChallenge | undefined
  /** Only ever raised, by {@link withMoney}. */
  readonly money: MoneyState

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.money = options.money ?? 'untouched'
    this.details = options.details ?? {}
    this.retryAfterMs = options.retryAfterMs
    this.reply = options.reply
    this.challenge = options.challenge
  }

  get fault(): Fault {
    return errorTable[this.code].fault
  }
}

/** Tells whether money may already be on its way, so that nobody must retry blindly. */
export function isCommitted(money: MoneyState): boolean {
  return money === 'signed' || money === 'settled' || money === 'unknown'
}

/**
 * Gives the HTTP status of an error: the table's, or 424 when money is committed and the table's would be retried.
 *
 * Official SDKs retry 408, 409, 429 and 5xx on their own, which would buy the same answer twice.
 */
export function answerStatus(error: RouteplaneError): number {
  const status: number = errorTable[error.code].status
  const retried = status === 408 || status === 409 || status === 429 || status >= 500
  return retried && isCommitted(error.money) ? 424 : status
}

/** Copies an error with a further state of money; the original is its cause. */
export function withMoney(error: RouteplaneError, money: MoneyState): RouteplaneError {
  return error.money === money ? error : amend(error, { money, cause: error })
}

/** Copies an error with some of its options replaced. */
export function amend(error: RouteplaneError, changes: ErrorOptions): RouteplaneError {
  return new RouteplaneError(error.code, error.message, {
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.reply === undefined ? {} : { reply: error.reply }),
    ...(error.challenge === undefined ? {} : { challenge: error.challenge }),
    details: error.details,
    money: error.money,
    ...changes,
  })
}

/** Turns anything thrown into a {@link RouteplaneError}; an unknown throw is `internal` and keeps no text of its own. */
export function toRouteplaneError(thrown: unknown): RouteplaneError {
  if (thrown instanceof RouteplaneError) return thrown
  return new RouteplaneError('internal', 'an unexpected error occurred', { cause: thrown })
}
