/** Encodes parts as the events of a Responses stream. */
import type { EncodeContext } from '../protocol.ts'
import type { PartStream } from '../../completion/part.ts'
import { encodeJsonEvent } from '../../lib/sse.ts'
import { writeAnswer } from '../answer-writer.ts'
import { createOutputEncoder } from './output-encoder.ts'

/**
 * Writes events, each with its `sequence_number`, counted from 0:
 *
 *     response.created → response.in_progress → (output_item.added → its parts and deltas → output_item.done)* →
 *       response.completed | response.incomplete | response.failed
 *
 * Only event types of the reference are written, because SDKs throw on others, and no `[DONE]`. An error, thrown or as a part, ends
 * the stream as `response.failed`, which SDKs and agents both read.
 *
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function encodeStream(stream: PartStream, context: EncodeContext): AsyncIterable<string> {
  const encoder = createOutputEncoder(context)
  return writeAnswer(stream, (emit) => {
    const add = (events: readonly Readonly<Record<string, unknown>>[]): void => {
      for (const event of events) emit(encodeJsonEvent(event, String(event['type'])))
    }
    return { write: (part) => add(encoder.push(part)), fail: (error) => add(encoder.fail(error)) }
  })
}
