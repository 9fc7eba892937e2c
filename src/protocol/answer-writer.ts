/** What the encoders of a streamed answer have in common: one string for each read, and one way in which an answer ends. */
import { RouteplaneError, toRouteplaneError } from '../errors.ts'
import type { CompletionPart, PartStream } from '../completion/part.ts'

/** Takes events that are whole. */
export type Emit = (events: string) => void

/** Writes one answer in a wire's events. */
export type AnswerWriter = {
  /** Writes the next part. @throws what ends the answer: the error of an error part, or of an end that the wire cannot say. */
  write(part: CompletionPart): void
  /** Writes the error with which the answer ends. */
  fail(error: RouteplaneError): void
}

/**
 * Writes an answer: whole events, those of one read in one string. An error, thrown or as a part, is written as the wire has it,
 * and nothing follows it.
 */
export async function* writeAnswer(stream: PartStream, open: (emit: Emit) => AnswerWriter): AsyncGenerator<string, void, undefined> {
  let events = ''
  const writer = open((more) => {
    events += more
  })
  try {
    for await (const parts of stream) {
      const isOver = writeParts(parts, writer)
      if (events !== '') yield events
      if (isOver) return
      events = ''
    }
    throw new RouteplaneError('stream_incomplete', 'the answer ended without saying that it was finished')
  } catch (error) {
    writer.fail(toRouteplaneError(error))
    yield events
  }
}

/** @returns whether the last part has been written. */
function writeParts(parts: readonly CompletionPart[], writer: AnswerWriter): boolean {
  for (const part of parts) {
    writer.write(part)
    if (part.type === 'finish' || part.type === 'error') return true
  }
  return false
}
