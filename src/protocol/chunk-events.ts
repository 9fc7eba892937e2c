/** Reads the events of the wires whose streams are chunks of one shape, and that have the same dialects. */
import { endOfString, isRecord, tryParseJson } from '../lib/json.ts'
import type { CompletionPart } from '../completion/part.ts'
import type { SseItem } from '../lib/sse.ts'
import { badEvent, isError, type AnswerDecoder } from './answer-decoder.ts'

/** The closing word of one of them, which servers of the other say too. */
const DONE = '[DONE]'

/** What an event says: more than one chunk where a server has run several documents together, and not all need be objects. */
export type ChunkEvent = { readonly kind: 'nothing' | 'done' | 'bad' } | { readonly kind: 'chunks'; readonly chunks: readonly unknown[] }

/** Reads one event. An event that is named an error is one, whatever its members say. */
export function readChunks(item: SseItem): ChunkEvent {
  if ('comment' in item) return { kind: 'nothing' }
  const data = item.data.trim()
  if (data === '') return { kind: 'nothing' }
  if (data === DONE) return { kind: 'done' }
  const chunks = splitJson(data)
  if (chunks !== undefined) return { kind: 'chunks', chunks: item.event === 'error' ? chunks.map(asError) : chunks }
  // Cut in the middle: the missing end is what will be told.
  if (item.truncated === true) return { kind: 'nothing' }
  return item.event === 'error' ? { kind: 'chunks', chunks: [{ error: data }] } : { kind: 'bad' }
}

/** Decodes an answer that comes in chunks. */
export type ChunkDecoder = AnswerDecoder & {
  /** Takes one parsed chunk. */
  push(chunk: Readonly<Record<string, unknown>>): readonly CompletionPart[]
  /** Takes the closing word. */
  done(): readonly CompletionPart[]
}

/** Gives a decoder one event. */
export function readChunkItem(decoder: ChunkDecoder, item: SseItem): readonly CompletionPart[] {
  const event = readChunks(item)
  switch (event.kind) {
    case 'nothing':
      return []
    case 'done':
      return decoder.done()
    case 'bad':
      return decoder.fail(badEvent())
    case 'chunks': {
      const read = (chunk: unknown) => (isRecord(chunk) ? decoder.push(chunk) : decoder.fail(badEvent()))
      return event.chunks.length === 1 ? read(event.chunks[0]) : event.chunks.flatMap(read)
    }
  }
}

function asError(chunk: unknown): unknown {
  return isRecord(chunk) && isError(chunk['error']) ? chunk : { error: chunk }
}

/** @returns the documents in order, `undefined` when any of the text is no JSON. */
function splitJson(text: string): readonly unknown[] | undefined {
  const whole = tryParseJson(text)
  if (whole !== undefined) return [whole]
  const documents: unknown[] = []
  let from = 0
  while (from < text.length) {
    const to = endOfObject(text, from)
    const value = to === undefined ? undefined : tryParseJson(text.slice(from, to))
    if (to === undefined || value === undefined) return undefined
    documents.push(value)
    from = to
    while (/\s/.test(text[from] ?? '')) from++
  }
  return documents.length === 0 ? undefined : documents
}

/** Index after the object that begins at `from`. */
function endOfObject(text: string, from: number): number | undefined {
  if (text[from] !== '{') return undefined
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else if (character === '{') depth++
    else if (character === '}' && --depth === 0) return at + 1
  }
  return undefined
}
