/** Errors on this wire: OpenAI's envelope in an answer, an event of its own kind in a stream. */
import type { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import { encodeError as encodeOpenAiError } from '../chat-completions/error.ts'
import type { WireError } from '../protocol.ts'

export { decodeError, decodeErrorObject } from '../chat-completions/error.ts'

type Json = Readonly<Record<string, unknown>>

/** Clients start their conversation anew when they read this one. */
export const PREVIOUS_NOT_FOUND = 'previous_response_not_found'

/**
 * Writes an error. As an event it says everything twice, flat as the reference has it and nested as the servers send it, because
 * SDKs of either belief exist.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming/error
 */
export function encodeError(error: RouteplaneError, requestId: string): WireError {
  const { status, body } = encodeOpenAiError(error, requestId)
  const given = innerError(body)
  const inner = error.details['upstreamCode'] === PREVIOUS_NOT_FOUND ? { ...given, code: PREVIOUS_NOT_FOUND } : given
  const { message, code, param } = inner
  const event = { type: 'error', sequence_number: 0, code, message, param, error: inner }
  return { status, body: { error: inner }, event: encodeSseEvent({ event: 'error', data: JSON.stringify(event) }) }
}

function innerError(body: unknown): Json {
  return isRecord(body) && isRecord(body['error']) ? body['error'] : {}
}

/**
 * Writes the `error` of a response that failed. Its codes are a closed list: what is not on it is a server's error, and our own code
 * stands beside it.
 *
 * @see https://platform.openai.com/docs/api-reference/responses/object, `error`
 */
export function encodeResponseError(error: RouteplaneError, requestId: string): Json {
  const inner = innerError(encodeError(error, requestId).body)
  const { code, message, type, param } = inner
  return { code: responseCode(error, code), message, type, param, routeplane_code: error.code, money: error.money }
}

function responseCode(error: RouteplaneError, code: unknown): unknown {
  if (code !== error.code) return code
  if (error.code === 'upstream_rate_limited') return 'rate_limit_exceeded'
  return error.fault === 'caller' && error.code === 'invalid_request' ? 'invalid_prompt' : 'server_error'
}
