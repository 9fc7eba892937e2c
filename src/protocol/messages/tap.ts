/** Watches a forwarded Messages stream: its head until content has come, and then only its tail. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { createSseDecoder, type SseDecoder, type SseItem } from '../../lib/sse.ts'
import type { StreamTap, TapReport } from '../protocol.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { readEvent } from './stream.ts'
import { decodeUsage, joinUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Bytes kept of the end: the last figures, the stop reason and errors are in the last few events. */
const TAIL_BYTES = 64 * 1024

/** What the events that were read have said. */
type Facts = {
  model: string | undefined
  usage: Json | undefined
  reason: string | undefined
  error: RouteplaneError | undefined
  hasEnding: boolean
  isDone: boolean
  hasContent: boolean
  /** Characters of text, thought and input in the events that were read. */
  characters: number
}

/**
 * Creates a tap. It keeps references to at most {@link TAIL_BYTES} (and one read more) and never throws; characters of what lies
 * between head and tail are estimated from the share of text in what was read.
 */
export function createTap(): StreamTap {
  const head = createSseDecoder()
  const facts: Facts = {
    model: undefined,
    usage: undefined,
    reason: undefined,
    error: undefined,
    hasEnding: false,
    isDone: false,
    hasContent: false,
    characters: 0,
  }
  const tail: Uint8Array[] = []
  const bytes = { head: 0, tail: 0, skipped: 0 }
  return {
    push: (chunk) => {
      if (facts.hasContent) {
        keep(tail, chunk, bytes)
        return true
      }
      bytes.head += chunk.length
      read(facts, head, chunk)
      return facts.hasContent
    },
    end: () => {
      const isWhole = bytes.skipped === 0
      const rest = Buffer.concat(tail)
      const from = isWhole ? 0 : afterFirstEvent(rest)
      read(facts, isWhole ? head : createSseDecoder(), rest.subarray(from), true)
      return report(facts, bytes.skipped + from, bytes.head + rest.length - from)
    },
  }
}

function keep(tail: Uint8Array[], chunk: Uint8Array, bytes: { tail: number; skipped: number }): void {
  tail.push(chunk)
  bytes.tail += chunk.length
  for (let first = tail[0]; first !== undefined && tail.length > 1 && bytes.tail - first.length >= TAIL_BYTES; first = tail[0]) {
    tail.shift()
    bytes.tail -= first.length
    bytes.skipped += first.length
  }
}

/** What is left of the event in whose middle the tail begins is not read. */
function afterFirstEvent(bytes: Buffer): number {
  const ends = ['\n\n', '\r\n\r\n', '\r\r'].flatMap((blank) => {
    const at = bytes.indexOf(blank)
    return at === -1 ? [] : [at + blank.length]
  })
  return ends.length === 0 ? bytes.length : Math.min(...ends)
}

function report(facts: Facts, skippedBytes: number, readBytes: number): TapReport {
  const share = readBytes === 0 ? 0 : facts.characters / readBytes
  const isFinished = facts.reason !== undefined || (facts.isDone && facts.hasEnding)
  const error = facts.error ?? (isFinished ? undefined : incomplete())
  return {
    usage: decodeUsage(facts.usage),
    deliveredCharacters: facts.characters + Math.ceil(skippedBytes * share),
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.reason === undefined ? {} : { finishReason: facts.reason }),
    ...(error === undefined ? {} : { error }),
  }
}

function incomplete(): RouteplaneError {
  return new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
}

function read(facts: Facts, decoder: SseDecoder, bytes: Uint8Array, isEnd = false): void {
  try {
    for (const item of decoder.push(bytes)) note(facts, item)
    if (isEnd) for (const item of decoder.end()) note(facts, item)
  } catch (error) {
    facts.error ??= toRouteplaneError(error)
  }
}

function note(facts: Facts, item: SseItem): void {
  if (facts.isDone || facts.error !== undefined) return
  const event = readEvent(item)
  if (event instanceof RouteplaneError) facts.error = event
  else if (event !== undefined) noteEvent(facts, event)
}

function noteEvent(facts: Facts, event: Json): void {
  switch (event['type']) {
    case 'message_start': {
      const message = isRecord(event['message']) ? event['message'] : {}
      if (typeof message['model'] === 'string' && message['model'] !== '') facts.model ??= message['model']
      facts.usage = joinUsage(facts.usage, message['usage'])
      facts.hasContent ||= Array.isArray(message['content']) && message['content'].length > 0
      break
    }
    case 'content_block_start':
      facts.hasContent ||= isContent(event['content_block'])
      break
    case 'content_block_delta': {
      const characters = isRecord(event['delta']) ? deltaLength(event['delta']) : 0
      facts.characters += characters
      facts.hasContent ||= characters > 0
      break
    }
    case 'message_delta':
      noteEnding(facts, event)
      break
    case 'message_stop':
      facts.isDone = true
      break
    case 'error':
      facts.error = decodeErrorObject(event['error'] ?? event)
      break
    default:
      break
  }
}

function noteEnding(facts: Facts, event: Json): void {
  const delta = isRecord(event['delta']) ? event['delta'] : {}
  facts.hasEnding = true
  facts.usage = joinUsage(facts.usage, event['usage'])
  facts.reason = readReason(delta['stop_reason']) ?? facts.reason
  if (facts.reason === undefined) return
  if (decodeFinish(facts.reason, { hasCalls: false, hasBrokenCall: false }) !== 'error') facts.hasContent = true
  else facts.error = new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
}

/** Whether a block is something already when it begins: an empty text or thought is nothing yet. */
function isContent(block: unknown): boolean {
  if (!isRecord(block)) return false
  const { type } = block
  if (type === 'text') return typeof block['text'] === 'string' && block['text'] !== ''
  return type !== 'thinking' || (typeof block['thinking'] === 'string' && block['thinking'] !== '')
}

function deltaLength(delta: Json): number {
  const texts = [delta['text'], delta['thinking'], delta['partial_json']]
  return texts.reduce<number>((sum, text) => sum + (typeof text === 'string' ? text.length : 0), 0)
}
