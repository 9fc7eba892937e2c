/** Errors on this wire: ours for callers, the upstream's for us. */
import { answerStatus, RouteplaneError } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import { toldWithHint } from '../invalid-request.ts'
import type { WireError } from '../protocol.ts'
import { cleanText, codeOfStatus, shortText } from '../upstream-error.ts'

/** Upstream codes that clients act on (agents shorten their context on the first), worth more to them than ours. */
const telling: ReadonlySet<string> = new Set(['context_length_exceeded', 'content_policy_violation'])

/**
 * Writes an error the way OpenAI's SDKs read it; `code` is ours, `param` the JSON path.
 *
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function encodeError(error: RouteplaneError, requestId: string): WireError {
  const status = answerStatus(error)
  const { path, upstreamCode } = error.details
  const body = {
    error: {
      message: toldWithHint(error.message, error.hint),
      type: typeOf(status),
      param: typeof path === 'string' ? path : null,
      code: typeof upstreamCode === 'string' && telling.has(upstreamCode) ? upstreamCode : error.code,
      fault: error.fault,
      money: error.money,
      request_id: requestId,
      ...defined({ hint: error.hint }),
    },
  }
  return { status, body, event: encodeSseEvent({ data: JSON.stringify(body) }) }
}

function typeOf(status: number): string {
  if (status === 403) return 'permission_denied'
  if (status === 429) return 'requests'
  return status >= 500 || status === 424 ? 'server_error' : 'invalid_request_error'
}

/**
 * Reads an upstream's error answer. What the caller did is the caller's fault; an upstream that refuses our key, our funds or its own
 * model is the upstream's, because another may take the same request. `details` has `status`, `upstreamCode`, `path`.
 */
export function decodeError(status: number, body: string): RouteplaneError {
  const parsed = firstOf(tryParseJson(body))
  const given = isRecord(parsed) ? (parsed['error'] ?? parsed['detail'] ?? parsed['message'] ?? firstOf(parsed['errors']) ?? parsed) : body
  return toUpstreamError(given, status)
}

/** Some servers answer with a list of the one error there is. */
function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? (value as readonly unknown[])[0] : value
}

/** Reads the error object of a 200 body or a stream's event, whose own `code` may be an HTTP status. */
export function decodeErrorObject(given: unknown): RouteplaneError {
  return toUpstreamError(given, statusIn(given))
}

function statusIn(given: unknown): number | undefined {
  if (!isRecord(given)) return undefined
  const found = [given['code'], given['status'], given['status_code']].map(Number).find((value) => value >= 400 && value <= 599)
  return found
}

function toUpstreamError(given: unknown, status: number | undefined): RouteplaneError {
  const fields = isRecord(given) ? given : {}
  const text = cleanText(typeof given === 'string' ? given : fields['message'])
  const isOverflow =
    fields['code'] === 'context_length_exceeded' || /maximum context|context (?:length|window)|prompt is too long/i.test(text)
  const details = defined({
    status,
    upstreamCode: isOverflow ? 'context_length_exceeded' : shortText(fields['code']),
    upstreamType: shortText(fields['type']),
    path: shortText(fields['param']),
  })
  const said = text === '' ? '' : `: ${text}`
  return new RouteplaneError(codeOfStatus(status), `the upstream answered ${status ?? 'with an error'}${said}`, { details })
}
