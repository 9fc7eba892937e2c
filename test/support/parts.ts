/** Streams of parts from single ones, and back. */
import type { CompletionPart, PartStream } from '../../src/completion/part.ts'

/** Gives parts as if each had come in a read of its own. */
export async function* oneByOne(
  parts: Iterable<CompletionPart> | AsyncIterable<CompletionPart>,
): AsyncGenerator<readonly CompletionPart[]> {
  for await (const part of parts) yield [part]
}

/** Reads a stream to its end, however its parts came together. */
export async function collectParts(stream: PartStream): Promise<CompletionPart[]> {
  const collected: CompletionPart[] = []
  for await (const parts of stream) collected.push(...parts)
  return collected
}

/** Reads what an encoder writes to its end, cut into the events of it. */
export async function collectEvents(written: AsyncIterable<string>): Promise<string[]> {
  let text = ''
  for await (const events of written) text += events
  return text === '' ? [] : text.split(/(?<=\n\n)/)
}
