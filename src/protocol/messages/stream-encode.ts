/** Encodes parts as the events of a Messages stream. */
import type { CompletionPart, Extra, PartStream } from '../../completion/part.ts'
import { encodeJsonEvent } from '../../lib/sse.ts'
import { writeAnswer } from '../answer-writer.ts'
import type { EncodeContext } from '../protocol.ts'
import { createBlockWriter, type BlockWriter, type EmitEvent, type StreamEvent } from './block-writer.ts'
import { encodeError } from './error.ts'
import { estimateInput } from './estimate.ts'
import { encodeFinish } from './finish.ts'
import { brokenFinish, citedHere, encodeExtra, ending, messageId, sourceList } from './result.ts'
import { encodeUsage } from './usage.ts'
import { TYPICAL_BYTES_PER_TOKEN } from '../token-bounds.ts'

/** What must be remembered of the answer so far. */
type Encoder = {
  readonly context: EncodeContext
  readonly emit: EmitEvent
  readonly writer: BlockWriter
  readonly inputTokens: number
  hasStarted: boolean
  refusal: string
  /** Blocks of further candidates, for which this wire has no room. */
  readonly skipped: Set<number>
  readonly extras: Extra[]
}

/**
 * Writes these events:
 *
 *     message_start → (content_block_start → content_block_delta* → content_block_stop)* → message_delta → message_stop
 *
 * Blocks are numbered from 0 and never interleave. An error, thrown or as a part, is an `error` event, after which nothing follows.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming#event-types
 */
export function encodeStream(stream: PartStream, context: EncodeContext): AsyncIterable<string> {
  return writeAnswer(stream, (emit) => {
    // SDKs read no event without its name.
    const encoder = createEncoder(context, (event) => emit(encodeJsonEvent(event, event.type)))
    return { write: (part) => encodePart(encoder, part), fail: (error) => emit(encodeError(error, context.requestId).event) }
  })
}

function createEncoder(context: EncodeContext, emit: EmitEvent): Encoder {
  return {
    context,
    emit,
    writer: createBlockWriter(emit),
    inputTokens: estimateInput(context.request),
    hasStarted: false,
    refusal: '',
    skipped: new Set(),
    extras: [],
  }
}

function encodePart(encoder: Encoder, part: CompletionPart): void {
  if (part.type === 'error') throw part.error
  if (!encoder.hasStarted) encoder.emit(startMessage(encoder, part))
  if (isSkipped(encoder, part)) return
  switch (part.type) {
    case 'refusal-delta':
      encoder.refusal += part.text
      break
    case 'extra':
      encodeExtraPart(encoder, part)
      break
    case 'finish':
      encodeEnd(encoder, part)
      break
    case 'start':
    case 'usage':
      break
    default:
      encoder.writer.write(part)
  }
}

function isSkipped({ skipped }: Encoder, part: CompletionPart): boolean {
  if ('candidate' in part && part.candidate !== 0) {
    if ('block' in part) skipped.add(part.block)
    return true
  }
  return 'block' in part && skipped.has(part.block)
}

function startMessage(encoder: Encoder, part: CompletionPart): StreamEvent {
  encoder.hasStarted = true
  const { context, inputTokens } = encoder
  const given = part.type === 'start' ? part : { id: '', model: '' }
  return {
    type: 'message_start',
    message: {
      id: messageId(given.id, context.requestId),
      type: 'message',
      role: 'assistant',
      model: given.model === '' ? context.model : given.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      // What is known comes with the end; clients must have figures here.
      usage: encodeUsage(undefined, { inputTokens, outputTokens: 1 }),
    },
  }
}

function encodeExtraPart({ writer, extras }: Encoder, part: Extract<CompletionPart, { type: 'extra' }>): void {
  const { extra } = part
  const citation = citedHere(extra)
  if (citation !== undefined && writer.isText(part.block)) {
    writer.cite(part.block, citation)
    return
  }
  extras.push(extra)
  for (const block of encodeExtra(extra)) writer.whole(block)
}

function encodeEnd(encoder: Encoder, { finishes, usage }: Extract<CompletionPart, { type: 'finish' }>): void {
  const { writer, context, extras, inputTokens, refusal } = encoder
  const finish = finishes.find(({ candidate }) => candidate === 0) ?? { candidate: 0, reason: 'other' as const }
  const reason = encodeFinish(finish.reason)
  if (reason === undefined) throw brokenFinish()
  writer.end()
  const sources = context.request.output.kind === 'text' && finish.reason === 'stop' ? sourceList(extras) : undefined
  if (sources !== undefined) writer.whole({ type: 'text', text: sources })
  const outputTokens = Math.ceil(writer.characters() / TYPICAL_BYTES_PER_TOKEN)
  encoder.emit({
    type: 'message_delta',
    delta: ending(reason, finish, refusal === '' ? undefined : refusal),
    usage: encodeUsage(usage, { inputTokens, outputTokens }),
  })
  encoder.emit({ type: 'message_stop' })
}
