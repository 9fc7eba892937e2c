/** Counts the tokens of a request for an answer without asking for one. */
import { membersOf } from '../../lib/json-splice.ts'
import { readExtensions } from '../extensions.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { CallerRequest, WireRequest } from '../protocol.ts'
import { estimateInput } from './estimate.ts'
import { messagesNeeds } from './needs.ts'
import { decodeCountRequest } from './request.ts'
import { readCountRequest } from './rules.ts'

export { forwardCount } from './forward.ts'

/** Where callers ask for a count. @see https://docs.anthropic.com/en/api/messages-count-tokens */
export const countTokensPath = '/v1/messages/count_tokens'

/**
 * Reads what routing needs of a request for a count; it is a request for an answer without a limit of output.
 *
 * @throws RouteplaneError `invalid_request` naming the JSON path.
 */
export function readCount(wire: WireRequest): CallerRequest {
  membersOf(wire.body)
  const extensions = readExtensions(wire.json, wire.headers, wire.query)
  const json = readCountRequest(wire)
  const model = json.model ?? extensions.models?.[0]
  if (model === undefined) throw invalidRequest('model', 'is missing')
  return { model, needs: messagesNeeds(json, wire.body.byteLength), extensions }
}

/** Counts from the text, for models whose own count cannot be asked for. @throws RouteplaneError as {@link readCount}. */
export function estimateCount(wire: WireRequest): { readonly input_tokens: number } {
  return { input_tokens: estimateInput(decodeCountRequest(wire)) }
}
