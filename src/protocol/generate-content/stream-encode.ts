/** Encodes parts as the chunks of a generateContent stream, as events or as the elements of one array. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { CompletionPart } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { encodeSseEvent } from '../../lib/sse.ts'
import type { EncodeContext } from '../protocol.ts'
import { createAnswerEncoder, type AnswerEncoder } from './answer.ts'
import { encodeError } from './error.ts'
import { STREAM_FORM } from './request.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What must be remembered of the answer so far. */
type Encoder = {
  readonly answer: AnswerEncoder
  id: string
  model: string
  usage: Usage | undefined
}

/**
 * Writes one string a chunk:
 *
 *     text, thoughts, whole calls … → for each candidate a last chunk with its finish reason and an empty text
 *
 * There is no closing word: Google's SDK throws on one, forgets a turn in which any chunk has no parts, and wants a blank
 * line after the last event. An error, thrown or as a part, is a chunk with `error`, after which nothing follows.
 *
 * @see https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
 */
export async function* encodeStream(parts: AsyncIterable<CompletionPart>, context: EncodeContext): AsyncGenerator<string, void, undefined> {
  const frame = context.request.account[STREAM_FORM] === 'json' ? createArrayFrame() : eventFrame
  try {
    for await (const chunk of encodeChunks(parts, context)) yield frame.item(chunk)
  } catch (error) {
    yield frame.item(encodeError(toRouteplaneError(error), context.requestId).body)
  }
  const end = frame.end()
  if (end !== '') yield end
}

type Frame = { readonly item: (value: unknown) => string; readonly end: () => string }

const eventFrame: Frame = { item: (value) => encodeSseEvent({ data: JSON.stringify(value) }), end: () => '' }

function createArrayFrame(): Frame {
  let isEmpty = true
  return {
    item: (value) => {
      const opening = isEmpty ? '[' : ',\n'
      isEmpty = false
      return `${opening}${JSON.stringify(value)}`
    },
    end: () => (isEmpty ? '[]' : ']'),
  }
}

async function* encodeChunks(parts: AsyncIterable<CompletionPart>, context: EncodeContext): AsyncGenerator<Json, void, undefined> {
  const encoder: Encoder = { answer: createAnswerEncoder(), id: context.requestId, model: context.model, usage: undefined }
  for await (const part of parts) {
    switch (part.type) {
      case 'start':
        if (part.id !== '') encoder.id = part.id
        if (part.model !== '') encoder.model = part.model
        break
      case 'usage':
        encoder.usage = part.usage
        break
      case 'error':
        throw part.error
      case 'finish':
        encoder.usage = part.usage ?? encoder.usage
        yield* encodeFinishes(encoder, part)
        return
      default:
        for (const placed of encoder.answer.push(part)) yield chunk(encoder, placed.candidate, [placed.part])
    }
  }
  throw new RouteplaneError('stream_incomplete', 'the answer ended without saying that it was finished')
}

function* encodeFinishes(encoder: Encoder, part: Extract<CompletionPart, { type: 'finish' }>): Generator<Json, void, undefined> {
  for (const finish of part.finishes) {
    const { members, signature } = encoder.answer.end(finish)
    yield chunk(encoder, finish.candidate, [defined({ text: '', thoughtSignature: signature })], members)
  }
}

function chunk({ id, model, usage }: Encoder, index: number, parts: readonly Json[], members: Json = {}): Json {
  return defined({
    candidates: [{ content: { parts, role: 'model' }, ...members, index }],
    usageMetadata: encodeUsage(usage),
    modelVersion: model,
    responseId: id,
  })
}
