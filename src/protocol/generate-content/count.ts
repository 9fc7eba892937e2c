/** Counts the tokens of a request without asking anybody. */
import { isRecord } from '../../lib/json.ts'
import { invalidRequest } from '../invalid-request.ts'
import type { WireRequest } from '../protocol.ts'
import { generateNeeds } from './needs.ts'
import { normalise, readGenerateRequest } from './schema.ts'

/**
 * Answers `countTokens` with our best guess. The body has `contents`, or the whole request as `generateContentRequest`.
 *
 * @throws RouteplaneError `invalid_request`, also when it has both or neither.
 * @see https://ai.google.dev/api/tokens#method:-models.counttokens
 */
export function countTokens(wire: Pick<WireRequest, 'json'>): { readonly totalTokens: number } {
  const json = normalise(wire.json)
  const { generateContentRequest: whole } = json
  if (whole === undefined || whole === null) return { totalTokens: countOf(json) }
  if (!isRecord(whole)) throw invalidRequest('generateContentRequest', 'must be of type object')
  if (json['contents'] !== undefined) throw invalidRequest('contents', 'must not stand beside generateContentRequest')
  return { totalTokens: countOf(normalise(whole)) }
}

function countOf(json: Readonly<Record<string, unknown>>): number {
  const bytes = Buffer.byteLength(JSON.stringify(json))
  return generateNeeds(readGenerateRequest(json), bytes, false).expectedInputTokens
}
