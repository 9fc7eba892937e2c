/** What the decoders of a streamed answer have in common: steps that never throw, and one reading of events to their end. */
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { CompletionPart } from '../completion/part.ts'
import { createSseDecoder, type SseItem } from '../lib/sse.ts'

/** Decodes one answer. It never throws: what goes wrong is its last part, and nothing comes after it. */
export type AnswerDecoder = {
  /** Takes the end of the connection. */
  end(): readonly CompletionPart[]
  fail(error: RouteplaneError): readonly CompletionPart[]
  isOver(): boolean
  /** Whether the answer has said why it ended, be it that more may come: its end is no error then. */
  isFinished(): boolean
}

/** What every decoder keeps: the parts of the step it is in, and whether it has given its last. */
export type AnswerState = { isOver: boolean; out: CompletionPart[] }

/** Runs one step of a decoder. */
export type Step = (work: () => void) => readonly CompletionPart[]

/** Creates the runner of a decoder's steps. */
export function createStep(state: AnswerState): Step {
  return (work) => {
    state.out = []
    if (state.isOver) return state.out
    try {
      work()
    } catch (error) {
      state.isOver = true
      state.out.push({ type: 'error', error: toRouteplaneError(error) })
    }
    return state.out
  }
}

/** @throws what it is given: the step that throws is the last. */
export function raise(error: unknown): never {
  throw error
}

/**
 * Reads a byte stream of events into parts: one `finish` or `error` last, whatever happens, and nothing after it. What comes once
 * the answer is over is not looked at.
 *
 * A source that throws ends the answer with its error, unless the answer was finished already.
 */
export async function* readAnswer<Decoder extends AnswerDecoder>(
  bytes: AsyncIterable<Uint8Array>,
  decoder: Decoder,
  readItem: (decoder: Decoder, item: SseItem) => readonly CompletionPart[],
): AsyncGenerator<readonly CompletionPart[], void, undefined> {
  const events = createSseDecoder()
  const readItems = (items: readonly SseItem[]): CompletionPart[] => {
    const parts: CompletionPart[] = []
    for (const item of items) for (const part of readItem(decoder, item)) parts.push(part)
    return parts
  }
  try {
    for await (const read of bytes) {
      const parts = readItems(events.push(read))
      if (parts.length > 0) yield parts
      if (decoder.isOver()) return
    }
    const last = [...readItems(events.end()), ...decoder.end()]
    if (last.length > 0) yield last
  } catch (error) {
    const last = decoder.isFinished() ? decoder.end() : decoder.fail(toRouteplaneError(error))
    if (last.length > 0) yield last
  }
}

/** @returns the error of an answer whose connection ended first. */
export function incomplete(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
}

/** @returns the error of an answer whose reason to end is one. */
export function endedInError(): RouteplaneError {
  return new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
}

/** @returns the error of an answer with something in it that its wire does not have. */
export function badEvent(): RouteplaneError {
  return new RouteplaneError('upstream_bad_stream', 'the upstream sent an event that is not part of an answer')
}

/** Whether an answer holds an error: some servers send an empty one with every chunk. */
export function isError(error: unknown): boolean {
  return error !== undefined && error !== null && error !== '' && error !== false
}
