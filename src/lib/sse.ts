/** Turns bytes into server-sent events and back, keeping comments (keep-alives) visible. */
import { createParser } from 'eventsource-parser'
import { RouteplaneError } from '../errors.ts'
import { defined } from './defined.ts'

/** One event as the WHATWG grammar reads it. `truncated` marks a last event whose closing blank line never came. */
export type SseEvent = { readonly event?: string; readonly data: string; readonly id?: string; readonly truncated?: true }
export type SseComment = { readonly comment: string }
export type SseItem = SseEvent | SseComment

export type SseDecoder = {
  /** @throws {@link RouteplaneError} `upstream_bad_stream` when one event outgrows the buffer. */
  push(chunk: Uint8Array): readonly SseItem[]
  /** Gives what stood after the last blank line, marked `truncated`: it may be whole, or cut anywhere. */
  end(): readonly SseItem[]
}

/** Characters one unfinished event may take: far above an image in a delta, far below what hurts. */
export const MAX_SSE_EVENT_CHARACTERS = 16 * 1024 * 1024

/**
 * Creates an incremental decoder; chunks may be cut anywhere, also inside a UTF-8 sequence or a CRLF.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export function createSseDecoder(maxCharacters: number = MAX_SSE_EVENT_CHARACTERS): SseDecoder {
  const text = new TextDecoder()
  let items: SseItem[] = []
  let isOversize = false
  let isAtEnd = false
  const parser = createParser({
    maxBufferSize: maxCharacters,
    onEvent: ({ event, data, id }) => {
      // Nearly every event is of these two shapes: written out, for spreading is what takes longest here.
      if (id === undefined && !isAtEnd) items.push(event === undefined ? { data } : { event, data })
      else items.push({ ...defined({ event, data, id }), ...(isAtEnd ? { truncated: true } : {}) })
    },
    onComment: (comment) => items.push({ comment }),
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') isOversize = true
    },
  })
  const take = (characters: string): readonly SseItem[] => {
    items = []
    if (characters !== '') parser.feed(characters)
    if (isOversize) {
      throw new RouteplaneError('upstream_bad_stream', `one event of the stream is longer than ${maxCharacters} characters`)
    }
    return items
  }
  return {
    push: (chunk) => take(text.decode(chunk, { stream: true })),
    end: () => {
      isAtEnd = true
      return take(`${text.decode()}\n\n`)
    },
  }
}

/** Decodes a whole stream of bytes. @throws {@link RouteplaneError} `upstream_bad_stream`, and whatever the bytes throw. */
export async function* decodeSse(
  bytes: AsyncIterable<Uint8Array>,
  maxCharacters: number = MAX_SSE_EVENT_CHARACTERS,
): AsyncGenerator<SseItem, void, undefined> {
  const decoder = createSseDecoder(maxCharacters)
  for await (const chunk of bytes) yield* decoder.push(chunk)
  yield* decoder.end()
}

/** Writes one whole event, its blank line included; line breaks in `data` become further `data:` lines. */
export function encodeSseEvent(event: { readonly event?: string; readonly data: string }): string {
  const name = event.event === undefined ? '' : `event: ${event.event.replace(/[\r\n\0]/g, ' ')}\n`
  if (!/[\r\n]/.test(event.data)) return `${name}data: ${event.data}\n\n`
  const lines = event.data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`)
  return `${name}${lines.join('')}\n`
}

/** Writes one whole event that says a value as JSON, in which no line break stands as it is. @param name - A word of the wire. */
export function encodeJsonEvent(value: unknown, name?: string): string {
  const data = `data: ${JSON.stringify(value)}\n\n`
  return name === undefined ? data : `event: ${name}\n${data}`
}

/** Writes a comment as an event of its own, so that no parser glues it to the data that follows. */
export function encodeSseComment(text: string): string {
  return `: ${text.replace(/[\r\n\0]/g, ' ')}\n\n`
}

export type CommentScanner = {
  /** @returns `true` from the first byte on that belongs to neither a comment nor a blank line. */
  sawEvent(chunk: Uint8Array): boolean
}

const LF = 0x0a
const CR = 0x0d
const COLON = 0x3a
const BOM: readonly number[] = [0xef, 0xbb, 0xbf]

/** Tells keep-alive comments from events in raw bytes, for clocks that must not take a comment for an answer. */
export function createCommentScanner(): CommentScanner {
  let where: 'line-start' | 'comment' | 'event' = 'line-start'
  let bomBytes = 0
  const step = (byte: number): void => {
    if (bomBytes < BOM.length && byte === BOM[bomBytes]) {
      bomBytes++
      return
    }
    bomBytes = BOM.length
    if (byte === LF || byte === CR) where = 'line-start'
    else if (where === 'line-start') where = byte === COLON ? 'comment' : 'event'
  }
  return {
    sawEvent: (chunk) => {
      for (let at = 0; at < chunk.length && where !== 'event'; at++) step(chunk[at] as number)
      return where === 'event'
    },
  }
}
