/** A whole Responses answer: decoded from an upstream, encoded for a caller. */
import type { EncodeContext } from '../protocol.ts'
import { RouteplaneError } from '../../errors.ts'
import { foldAll, unfoldResult } from '../../completion/fold.ts'
import type { CompletionPart, Extra } from '../../completion/part.ts'
import type { CompletionResult } from '../../completion/result.ts'
import { isRecord } from '../../lib/json.ts'
import { isAnnotationType } from './message-encoder.ts'
import { createOutputEncoder } from './output-encoder.ts'
import { createEventDecoder, decodeFailure } from './stream.ts'

/**
 * Reads a whole answer: it is what a terminal event says, so that both forms are read alike.
 *
 * @throws {@link RouteplaneError} `upstream_error` for a failed or unfinished response, an error in a 200 body, or a body that is none.
 */
export function decodeResult(body: unknown): CompletionResult {
  if (!isRecord(body)) throw noAnswer()
  if (isRecord(body['error'])) throw decodeFailure(body['error'])
  if (!Array.isArray(body['output'])) throw noAnswer()
  const { status } = body
  if (status === 'in_progress' || status === 'queued') {
    throw new RouteplaneError('upstream_error', 'the upstream answered with a response that is not finished')
  }
  return foldAll(createEventDecoder().finish(body, 'completed'))
}

function noAnswer(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the upstream did not answer with a response')
}

/**
 * Writes a whole answer: what the terminal event of its stream would carry.
 *
 * @throws {@link RouteplaneError} `upstream_error` for a finish that this wire can only show as an error.
 */
export function encodeResult(result: CompletionResult, context: EncodeContext): unknown {
  const encoder = createOutputEncoder(context)
  for (const part of withCitations([...unfoldResult(result)])) encoder.push(part)
  const response = encoder.response()
  if (response?.['status'] === 'failed') {
    throw new RouteplaneError('upstream_error', 'the model ended its answer with an error or a tool call that cannot be read')
  }
  return response
}

/** A whole answer lists what was cited after everything else; here it belongs to a text that is still open. */
function withCitations(parts: readonly CompletionPart[]): readonly CompletionPart[] {
  const isOfText = (part: CompletionPart): boolean =>
    part.type === 'extra' && (part.extra.kind === 'citation' || part.extra.kind === 'logprobs' || isAnnotation(part.extra))
  const lastText = parts.findLastIndex(({ type }) => type === 'text-delta')
  if (lastText === -1) return parts
  const moved = parts.filter(isOfText)
  const rest = (list: readonly CompletionPart[]): readonly CompletionPart[] => list.filter((part) => !isOfText(part))
  return [...rest(parts.slice(0, lastText + 1)), ...moved, ...rest(parts.slice(lastText + 1))]
}

function isAnnotation(extra: Extra): boolean {
  return extra.kind === 'foreign' && extra.wire === 'responses' && isRecord(extra.raw) && isAnnotationType(extra.raw['type'])
}
