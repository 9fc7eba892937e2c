/** Errors as HTTP answers: status, headers that steer a retrying SDK, and a body in the envelope of the wire. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Fault, type RouteplaneError, answerStatus, isCommitted } from '../errors.ts'
import { requestHeaders } from './response-headers.ts'

export type ErrorAnswer = {
  readonly status: number
  /** Absent for the plain envelope. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
}

/** Headers of an error answer: what may be retried, and when. */
export function errorHeaders(error: RouteplaneError, requestId: string): Record<string, string> {
  return {
    ...requestHeaders(requestId),
    ...(mayRetry(error) ? {} : { 'x-should-retry': 'false' }),
    ...(error.retryAfterMs === undefined
      ? {}
      : { 'retry-after': String(Math.ceil(error.retryAfterMs / 1000)), 'retry-after-ms': String(Math.ceil(error.retryAfterMs)) }),
  }
}

/**
 * SDKs try again on their own; after attempts of ours, or once money moved, that would multiply them. What passes by itself is
 * another thing: coding agents wait for it, and would give up the whole task if they might not.
 */
function mayRetry(error: RouteplaneError): boolean {
  if (passesByItself(error)) return !isCommitted(error.money)
  const { attempts } = error.details
  const attempted = Array.isArray(attempts) && attempts.length > 0
  const isTransient = error.code === 'settlement_unknown' || error.code === 'facilitator_unavailable'
  return !attempted && !isCommitted(error.money) && error.fault !== 'upstream' && (error.fault !== 'payment' || isTransient)
}

/** A limit that is over at a known time, until which nobody is asked again; or a provider with too much to do. */
function passesByItself({ code, fault, retryAfterMs, details }: RouteplaneError): boolean {
  if (code === 'upstream_rate_limited') return retryAfterMs !== undefined
  return fault === 'upstream' && (details['status'] === 503 || details['status'] === 529)
}

const TYPES: Readonly<Record<Fault, string>> = {
  caller: 'invalid_request_error',
  config: 'configuration_error',
  upstream: 'upstream_error',
  payment: 'payment_error',
  internal: 'server_error',
}

/** The envelope of paths that belong to no wire; it has the shape that OpenAI's SDKs read. */
export function plainErrorBody(error: RouteplaneError, requestId: string): unknown {
  return {
    error: {
      message: error.message,
      type: TYPES[error.fault],
      param: null,
      code: error.code,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      money: error.money,
      request_id: requestId,
      ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
    },
  }
}

/** JSON text of a value that may hold bigints, which become decimal strings. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === 'bigint' ? member.toString() : member))
}

/** How long the rest of a refused request is waited for, in milliseconds since something of it came; the server bounds the whole. */
const QUIET_MS = 500

/**
 * Writes an error as the whole answer; nothing happens when the caller is gone or an answer has begun.
 *
 * A caller who is still sending would see his connection closed on him instead of the answer. So the rest of his request is
 * read and thrown away. @see RFC 9112, section 9.6
 */
export function sendError(outgoing: ServerResponse, error: RouteplaneError, requestId: string, answer?: ErrorAnswer): void {
  // Where the bytes that came with the head are no HTTP, the parser says so in a moment, and that is what is to be answered.
  if (outgoing.req.complete) writeError(outgoing, error, requestId, answer)
  else setImmediate(writeError, outgoing, error, requestId, answer)
}

function writeError(outgoing: ServerResponse, error: RouteplaneError, requestId: string, answer: ErrorAnswer | undefined): void {
  if (outgoing.destroyed || outgoing.headersSent) return
  const text = jsonText(answer?.body ?? plainErrorBody(error, requestId))
  outgoing.writeHead(answer?.status ?? answerStatus(error), {
    ...errorHeaders(error, requestId),
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...answer?.headers,
  })
  if (outgoing.req.method !== 'HEAD') outgoing.write(text)
  afterRequest(outgoing.req, () => outgoing.end())
}

/** Runs once the rest of a request has come and gone, or does not come. */
function afterRequest(incoming: IncomingMessage, run: () => void): void {
  if (incoming.complete) return run()
  const stop = () => {
    clearTimeout(quiet)
    run()
  }
  const quiet = setTimeout(stop, QUIET_MS)
  incoming.on('data', () => quiet.refresh())
  incoming.once('end', stop).once('close', stop).resume()
}
