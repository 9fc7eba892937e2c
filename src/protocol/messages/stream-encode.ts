/** Encodes parts as the events of a Messages stream. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart, Extra } from '../../completion/part.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import type { EncodeContext } from '../protocol.ts'
import { createBlockWriter, type BlockWriter } from './block-writer.ts'
import { encodeError } from './error.ts'
import { estimateInput } from './estimate.ts'
import { encodeFinish } from './finish.ts'
import { brokenFinish, citedHere, encodeExtra, ending, messageId, sourceList } from './result.ts'
import { encodeUsage } from './usage.ts'
import { TYPICAL_BYTES_PER_TOKEN } from '../token-bounds.ts'

type Json = Readonly<Record<string, unknown>>

/** What must be remembered of the answer so far. */
type Encoder = {
  readonly context: EncodeContext
  readonly writer: BlockWriter
  readonly inputTokens: number
  hasStarted: boolean
  refusal: string
  /** Blocks of further candidates, for which this wire has no room. */
  readonly skipped: Set<number>
  readonly extras: Extra[]
}

/**
 * Writes one string an event:
 *
 *     message_start → (content_block_start → content_block_delta* → content_block_stop)* → message_delta → message_stop
 *
 * Blocks are numbered from 0 and never interleave. An error, thrown or as a part, is an `error` event, after which nothing follows.
 *
 * @see https://docs.anthropic.com/en/docs/build-with-claude/streaming#event-types
 */
export async function* encodeStream(parts: AsyncIterable<CompletionPart>, context: EncodeContext): AsyncGenerator<string, void, undefined> {
  const encoder: Encoder = {
    context,
    writer: createBlockWriter(),
    inputTokens: estimateInput(context.request),
    hasStarted: false,
    refusal: '',
    skipped: new Set(),
    extras: [],
  }
  try {
    for await (const part of parts) {
      for (const event of encodePart(encoder, part)) yield writeEvent(event)
      if (part.type === 'finish' || part.type === 'error') return
    }
    throw new RouteplaneError('stream_incomplete', 'the answer ended without saying that it was finished')
  } catch (error) {
    yield encodeError(toRouteplaneError(error), context.requestId).event
  }
}

/** SDKs read no event without its name. */
function writeEvent(event: Json): string {
  return encodeSseEvent({ event: String(event['type']), data: JSON.stringify(event) })
}

function* encodePart(encoder: Encoder, part: CompletionPart): Generator<Json, void, undefined> {
  if (part.type === 'error') throw part.error
  if (!encoder.hasStarted) yield startMessage(encoder, part)
  if (isSkipped(encoder, part)) return
  switch (part.type) {
    case 'refusal-delta':
      encoder.refusal += part.text
      break
    case 'extra':
      yield* encodeExtraPart(encoder, part)
      break
    case 'finish':
      yield* encodeEnd(encoder, part)
      break
    case 'start':
    case 'usage':
      break
    default:
      yield* encoder.writer.write(part)
  }
}

function isSkipped({ skipped }: Encoder, part: CompletionPart): boolean {
  if ('candidate' in part && part.candidate !== 0) {
    if ('block' in part) skipped.add(part.block)
    return true
  }
  return 'block' in part && skipped.has(part.block)
}

function startMessage(encoder: Encoder, part: CompletionPart): Json {
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

function* encodeExtraPart({ writer, extras }: Encoder, part: Extract<CompletionPart, { type: 'extra' }>): Generator<Json, void, undefined> {
  const { extra } = part
  const citation = citedHere(extra)
  if (citation !== undefined && writer.isText(part.block)) {
    yield* writer.cite(part.block, citation)
    return
  }
  extras.push(extra)
  for (const block of encodeExtra(extra)) yield* writer.whole(block)
}

function* encodeEnd(encoder: Encoder, { finishes, usage }: Extract<CompletionPart, { type: 'finish' }>): Generator<Json, void, undefined> {
  const { writer, context, extras, inputTokens, refusal } = encoder
  const finish = finishes.find(({ candidate }) => candidate === 0) ?? { candidate: 0, reason: 'other' as const }
  const reason = encodeFinish(finish.reason)
  if (reason === undefined) throw brokenFinish()
  yield* writer.end()
  const sources = context.request.output.kind === 'text' && finish.reason === 'stop' ? sourceList(extras) : undefined
  if (sources !== undefined) yield* writer.whole({ type: 'text', text: sources })
  const outputTokens = Math.ceil(writer.characters() / TYPICAL_BYTES_PER_TOKEN)
  yield {
    type: 'message_delta',
    delta: ending(reason, finish, refusal === '' ? undefined : refusal),
    usage: encodeUsage(usage, { inputTokens, outputTokens }),
  }
  yield { type: 'message_stop' }
}
