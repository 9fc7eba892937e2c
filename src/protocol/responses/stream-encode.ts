/** Encodes parts as the events of a Responses stream. */
import type { EncodeContext } from '../protocol.ts'
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart } from '../../completion/part.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import { createOutputEncoder } from './output-encoder.ts'

/**
 * Writes one string an event, each with its `sequence_number`, counted from 0:
 *
 *     response.created → response.in_progress → (output_item.added → its parts and deltas → output_item.done)* →
 *       response.completed | response.incomplete | response.failed
 *
 * Only event types of the reference are written, because SDKs throw on others, and no `[DONE]`. An error, thrown or as a part, ends
 * the stream as `response.failed`, which SDKs and agents both read.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export async function* encodeStream(parts: AsyncIterable<CompletionPart>, context: EncodeContext): AsyncGenerator<string, void, undefined> {
  const encoder = createOutputEncoder(context)
  try {
    for await (const part of parts) {
      yield* write(encoder.push(part))
      if (encoder.response() !== undefined) return
    }
    throw new RouteplaneError('stream_incomplete', 'the answer ended without saying that it was finished')
  } catch (error) {
    yield* write(encoder.fail(toRouteplaneError(error)))
  }
}

function write(events: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return events.map((event) => encodeSseEvent({ event: String(event['type']), data: JSON.stringify(event) }))
}
