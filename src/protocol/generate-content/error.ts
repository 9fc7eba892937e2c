/** Errors on this wire: ours for callers, the upstream's for us. */
import { answerStatus, RouteplaneError, type ErrorCode } from '../../errors.ts'
import { defined } from '../../lib/defined.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import { toldWithHint } from '../invalid-request.ts'
import type { WireError } from '../protocol.ts'
import { cleanText, codeOfStatus, shortText } from '../upstream-error.ts'

type Json = Readonly<Record<string, unknown>>

const TYPES = 'type.googleapis.com/google.rpc.'

/** @see https://cloud.google.com/apis/design/errors#handling_errors */
const statusNames: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  409: 'ABORTED',
  413: 'INVALID_ARGUMENT',
  415: 'INVALID_ARGUMENT',
  422: 'FAILED_PRECONDITION',
  424: 'FAILED_PRECONDITION',
  429: 'RESOURCE_EXHAUSTED',
  431: 'INVALID_ARGUMENT',
  499: 'CANCELLED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/**
 * Writes an error the way Google's SDKs read it. `code` is the HTTP status, as a number: they overlook any other. Our own
 * code is the reason of an `ErrorInfo`.
 *
 * @see https://google.aip.dev/193
 */
export function encodeError(error: RouteplaneError, requestId: string): WireError {
  const status = answerStatus(error)
  const body = {
    error: {
      code: status,
      message: messageOf(error),
      status: statusNames[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL'),
      details: detailsOf(error, requestId),
    },
  }
  return { status, body, event: encodeSseEvent({ data: JSON.stringify(body) }) }
}

function messageOf({ message, hint, details }: RouteplaneError): string {
  const text = toldWithHint(message, hint)
  // In Google's words, by which clients know that the conversation must become shorter.
  return details['upstreamCode'] === 'context_length_exceeded' && !OVERFLOW.test(text)
    ? `The input token count exceeds the maximum number of tokens allowed: ${text}`
    : text
}

function detailsOf(error: RouteplaneError, requestId: string): readonly Json[] {
  const { path } = error.details
  const metadata = defined({ fault: error.fault, money: error.money, requestId, hint: error.hint })
  const details: Json[] = [{ '@type': `${TYPES}ErrorInfo`, reason: error.code.toUpperCase(), domain: 'routeplane', metadata }]
  if (typeof path === 'string' && path !== '')
    details.push({ '@type': `${TYPES}BadRequest`, fieldViolations: [{ field: path, description: error.message }] })
  if (error.retryAfterMs !== undefined)
    details.push({ '@type': `${TYPES}RetryInfo`, retryDelay: `${Math.ceil(error.retryAfterMs / 1000)}s` })
  return details
}

const OVERFLOW = /input token count.{0,40}exceeds? the maximum|exceeds the maximum number of tokens|prompt is too long/i

/** Google's keys, which its own messages quote. */
const API_KEY = /\bAIza[\w-]{6,}/g

/**
 * Reads an upstream's error answer, which for a stream may stand in an array. `details` has `status`, `upstreamCode` (the
 * name of the status, or what clients act on) and `path`; `retryAfterMs` is what a `RetryInfo` says.
 */
export function decodeError(status: number, body: string): RouteplaneError {
  const parsed = tryParseJson(body)
  const first: unknown = Array.isArray(parsed) ? parsed[0] : parsed
  const given = isRecord(first) ? (first['error'] ?? first['message'] ?? first) : body
  return toUpstreamError(given, status)
}

/** Reads the error object of a 200 body or a stream's event, whose `code` is an HTTP status. */
export function decodeErrorObject(given: unknown): RouteplaneError {
  return toUpstreamError(given, statusIn(given))
}

function statusIn(given: unknown): number | undefined {
  const code = isRecord(given) ? Number(given['code']) : Number.NaN
  if (Number.isInteger(code) && code >= 400 && code <= 599) return code
  const name = isRecord(given) ? given['status'] : undefined
  const known = Object.entries(statusNames).find(([, known]) => known === name)
  return known === undefined ? (name === 'INTERNAL' ? 500 : undefined) : Number(known[0])
}

function toUpstreamError(given: unknown, status: number | undefined): RouteplaneError {
  const fields = isRecord(given) ? given : {}
  const text = cleanText(typeof given === 'string' ? given : fields['message']).replace(API_KEY, '[api-key]')
  const rpc = Array.isArray(fields['details']) ? fields['details'].filter(isRecord) : []
  const reason = rpcDetail(rpc, 'ErrorInfo')?.['reason']
  const said = text === '' ? '' : `: ${text}`
  return new RouteplaneError(codeOf(status, fields['status'], reason), `the upstream answered ${status ?? 'with an error'}${said}`, {
    details: defined({
      status,
      upstreamCode: OVERFLOW.test(text) ? 'context_length_exceeded' : shortText(fields['status']),
      upstreamType: shortText(reason),
      path: pathIn(rpc),
    }),
    ...retryAfter(rpc),
  })
}

function rpcDetail(details: readonly Json[], type: string): Json | undefined {
  return details.find((detail) => detail['@type'] === `${TYPES}${type}`)
}

function pathIn(rpc: readonly Json[]): string | undefined {
  const violations = rpcDetail(rpc, 'BadRequest')?.['fieldViolations']
  const first: unknown = Array.isArray(violations) ? violations[0] : undefined
  return isRecord(first) ? shortText(first['field']) : undefined
}

/** @see https://protobuf.dev/reference/protobuf/google.protobuf/#duration: seconds with a fraction and an `s`. */
function retryAfter(rpc: readonly Json[]): { readonly retryAfterMs?: number } {
  const delay = rpcDetail(rpc, 'RetryInfo')?.['retryDelay']
  const [, seconds] = typeof delay === 'string' ? (/^(\d{1,6}(?:\.\d{1,9})?)s$/.exec(delay) ?? []) : []
  return seconds === undefined ? {} : { retryAfterMs: Math.ceil(Number(seconds) * 1000) }
}

/**
 * Tells the caller's faults from the upstream's. Google answers 400 also for a key it does not know and a place it does not
 * serve: another provider may take the same request.
 */
function codeOf(status: number | undefined, name: unknown, reason: unknown): ErrorCode {
  const code = codeOfStatus(status)
  const isTheirs = name === 'FAILED_PRECONDITION' || (typeof reason === 'string' && reason.startsWith('API_KEY_'))
  return code === 'invalid_request' && isTheirs ? 'upstream_error' : code
}
