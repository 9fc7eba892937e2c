/** Errors on this wire: ours for callers, the upstream's for us. */
import { amend, answerStatus, isCommitted, type RouteplaneError } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import { decodeError as decodeEnvelope } from '../chat-completions/error.ts'
import { toldWithHint } from '../invalid-request.ts'
import type { WireError } from '../protocol.ts'

const WIRE = 'messages'

/** @see https://docs.anthropic.com/en/api/errors */
const statuses: ReadonlyMap<string, number> = new Map([
  ['invalid_request_error', 400],
  ['authentication_error', 401],
  ['billing_error', 402],
  ['permission_error', 403],
  ['not_found_error', 404],
  ['conflict_error', 409],
  ['request_too_large', 413],
  ['rate_limit_error', 429],
  ['api_error', 500],
  ['timeout_error', 504],
  ['overloaded_error', 529],
])

/** Answers that are about the request itself: agents recover by their wording, so that they go on as they came. */
const aboutRequest: readonly number[] = [400, 413, 422, 429, 529]

/**
 * Writes an error the way Anthropic's SDKs read it; `details.error_code` is our own code.
 *
 * Who speaks this wire to an upstream of this wire gets the upstream's own words back, unless they are about our key or money
 * is committed.
 */
export function encodeError(error: RouteplaneError, requestId: string): WireError {
  const native = nativeBody(error)
  const body = native?.body ?? ownBody(error, requestId)
  const status = native?.status ?? statusOf(error)
  return { status, body, event: encodeSseEvent({ event: 'error', data: JSON.stringify(body) }) }
}

function ownBody(error: RouteplaneError, requestId: string): unknown {
  const message = wording(error)
  const { path, upstreamCode } = error.details
  return {
    type: 'error',
    error: {
      type: typeOf(statusOf(error)),
      message: toldWithHint(message, error.hint),
      details: defined({
        error_code: isUnknownThread(error) ? THREAD_NOT_FOUND : error.code,
        fault: error.fault,
        money: error.money,
        hint: error.hint,
        path: typeof path === 'string' ? path : undefined,
        upstream_code: typeof upstreamCode === 'string' ? upstreamCode : undefined,
      }),
    },
    request_id: requestId,
  }
}

/** The vendor's SDKs read this word in the place of a code, and say the whole conversation again. */
const THREAD_NOT_FOUND = 'thread_not_found'

function isUnknownThread({ code, details }: RouteplaneError): boolean {
  return code === 'unsupported_parameter' && details['path'] === 'thread'
}

function nativeBody({ reply, money }: RouteplaneError): { readonly status: number; readonly body: unknown } | undefined {
  if (reply?.wire !== WIRE || isCommitted(money) || !aboutRequest.includes(reply.status)) return undefined
  const body = tryParseJson(Buffer.from(reply.body).toString('utf8'))
  return isRecord(body) && isRecord(body['error']) ? { status: reply.status, body } : undefined
}

/** An upstream with too much to do is told apart from a broken one, because clients wait for the first. */
function statusOf(error: RouteplaneError): number {
  const status = answerStatus(error)
  const isOverloaded = error.code === 'overloaded' || (error.code === 'upstream_error' && isBusy(error.details['status']))
  return isOverloaded && status >= 500 ? 529 : status
}

function isBusy(status: unknown): boolean {
  return status === 529 || status === 503
}

function typeOf(status: number): string {
  const found = [...statuses].find(([, own]) => own === status)?.[0]
  return found ?? (status < 500 && status !== 424 ? 'invalid_request_error' : 'api_error')
}

/** Claude Code shortens its context when it reads these very words, and takes the figures from them. */
function wording(error: RouteplaneError): string {
  if (!isOverflow(error)) return error.message
  const [used, limit] = overflowFigures(error.message)
  return used === undefined || limit === undefined ? 'prompt is too long' : `prompt is too long: ${used} tokens > ${limit} maximum`
}

function isOverflow({ details }: RouteplaneError): boolean {
  return details['class'] === 'context_overflow' || details['upstreamCode'] === 'context_length_exceeded'
}

/** Each vendor names the prompt's length and the limit in its own order; the larger is what was sent. */
function overflowFigures(message: string): readonly [number | undefined, number | undefined] {
  const figures = [...message.matchAll(/(\d[\d,]{0,12})(?: tokens|\))|> ?(\d[\d,]{0,12})/g)]
  const counts = figures.map(([, before, after]) => Number((before ?? after ?? '').replaceAll(',', '')))
  if (counts.length < 2) return [undefined, undefined]
  return [Math.max(...counts), Math.min(...counts)]
}

/**
 * Reads an upstream's error answer. `details` has `status`, `upstreamType`, and for a prompt that is too long the
 * `upstreamCode` `context_length_exceeded` and the `class` `context_overflow`.
 */
export function decodeError(status: number, body: string): RouteplaneError {
  const error = decodeEnvelope(status, body)
  return isOverflow(error) ? amend(error, { details: { ...error.details, class: 'context_overflow' } }) : error
}

/** Reads the error object of a 200 body or of a stream's event, whose type says what the status would have been. */
export function decodeErrorObject(given: unknown): RouteplaneError {
  const type = isRecord(given) ? given['type'] : undefined
  return decodeError((typeof type === 'string' ? statuses.get(type) : undefined) ?? 500, JSON.stringify({ error: given }))
}
