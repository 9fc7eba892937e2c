/** Encodes parts as the chunks of a generateContent stream, as events or as the elements of one array. */
import type { CompletionPart, PartStream } from '../../completion/part.ts'
import type { Usage } from '../../completion/usage.ts'
import { defined } from '../../lib/defined.ts'
import { encodeJsonEvent } from '../../lib/sse.ts'
import { writeAnswer } from '../answer-writer.ts'
import type { EncodeContext } from '../protocol.ts'
import { createAnswerEncoder, type AnswerEncoder } from './answer.ts'
import { encodeError } from './error.ts'
import { STREAM_FORM } from './request.ts'
import { encodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What must be remembered of the answer so far. */
type Encoder = {
  readonly emit: (chunk: Json) => void
  readonly answer: AnswerEncoder
  id: string
  model: string
  usage: Usage | undefined
}

/**
 * Writes one event, or one element, a chunk:
 *
 *     text, thoughts, whole calls … → for each candidate a last chunk with its finish reason and an empty text
 *
 * There is no closing word: Google's SDK throws on one, forgets a turn in which any chunk has no parts, and wants a blank
 * line after the last event. An error, thrown or as a part, is a chunk with `error`, after which nothing follows.
 *
 * @see https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
 */
export function encodeStream(stream: PartStream, context: EncodeContext): AsyncIterable<string> {
  const frame = context.request.account[STREAM_FORM] === 'json' ? createArrayFrame() : eventFrame
  return writeAnswer(stream, (emit) => {
    const encoder: Encoder = {
      emit: (chunk) => emit(frame.item(chunk)),
      answer: createAnswerEncoder(),
      id: context.requestId,
      model: context.model,
      usage: undefined,
    }
    return {
      write(part) {
        encodePart(encoder, part)
        if (part.type === 'finish') emit(frame.end())
      },
      fail: (error) => emit(frame.item(encodeError(error, context.requestId).body) + frame.end()),
    }
  })
}

type Frame = { readonly item: (value: unknown) => string; readonly end: () => string }

const eventFrame: Frame = { item: (value) => encodeJsonEvent(value), end: () => '' }

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

function encodePart(encoder: Encoder, part: CompletionPart): void {
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
      encodeFinishes(encoder, part)
      break
    default:
      for (const placed of encoder.answer.push(part)) encoder.emit(chunk(encoder, placed.candidate, [placed.part]))
  }
}

function encodeFinishes(encoder: Encoder, part: Extract<CompletionPart, { type: 'finish' }>): void {
  for (const finish of part.finishes) {
    const { members, signature } = encoder.answer.end(finish)
    encoder.emit(chunk(encoder, finish.candidate, [defined({ text: '', thoughtSignature: signature })], members))
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
