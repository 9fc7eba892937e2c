/** Watches a forwarded stream of events: its head until content has come, and then only its tail. */
import { toRouteplaneError, type RouteplaneError } from '../errors.ts'
import type { Usage } from '../completion/usage.ts'
import { createSseDecoder, type SseDecoder, type SseEvent } from '../lib/sse.ts'
import { incomplete } from './answer-decoder.ts'
import type { StreamTap, TapReport } from './protocol.ts'
import type { Tail } from './tail.ts'

/** What the events that were read have said. */
export type TapFacts = {
  model: string | undefined
  usage: Usage | undefined
  finish: string | undefined
  error: RouteplaneError | undefined
  /** Whether the caller has something in his hands: from then on only the tail is kept. */
  hasContent: boolean
  /** Whether the answer has ended as its wire demands. */
  isFinished: boolean
  /** Whether the last event has come: what follows is not read. */
  isDone: boolean
  /** Characters of text, thought and arguments in the events that were read. */
  characters: number
  /** The same of the whole answer, where an event repeats it. */
  repeated: number
}

/** A read of a fast stream may bring hundreds of events: the head is read by so much at a time, until content has come. */
const PIECE_BYTES = 2 * 1024

/**
 * Creates a tap, which never throws. Characters of what lies between head and tail are estimated from the share of text in what
 * was read.
 *
 * @param note - Notes what one event says; it is not asked once the last event, or an error, has come.
 */
export function createWatch(tail: Tail, note: (facts: TapFacts, event: SseEvent) => void): StreamTap {
  const head = createSseDecoder()
  const facts: TapFacts = {
    model: undefined,
    usage: undefined,
    finish: undefined,
    error: undefined,
    hasContent: false,
    isFinished: false,
    isDone: false,
    characters: 0,
    repeated: 0,
  }
  let headBytes = 0
  const read = (decoder: SseDecoder, bytes: Uint8Array, isEnd: boolean): void => {
    try {
      for (const item of isEnd ? [...decoder.push(bytes), ...decoder.end()] : decoder.push(bytes)) {
        if (facts.isDone || facts.error !== undefined) return
        if (!('comment' in item)) note(facts, item)
      }
    } catch (error) {
      facts.error ??= toRouteplaneError(error)
    }
  }
  return {
    push: (chunk) => {
      let at = 0
      while (!facts.hasContent && at < chunk.length) {
        const piece = chunk.subarray(at, at + PIECE_BYTES)
        read(head, piece, false)
        headBytes += piece.length
        at += piece.length
      }
      if (at < chunk.length) tail.push(chunk.subarray(at))
      return facts.hasContent
    },
    end: () => {
      const { bytes, skipped } = tail.end()
      read(skipped === 0 ? head : createSseDecoder(), bytes, true)
      return report(facts, skipped, headBytes + bytes.length)
    },
  }
}

function report(facts: TapFacts, skippedBytes: number, readBytes: number): TapReport {
  const share = readBytes === 0 ? 0 : facts.characters / readBytes
  const error = facts.error ?? (facts.isFinished ? undefined : incomplete())
  return {
    usage: facts.usage,
    // The only events with text may be among those that were not read.
    deliveredCharacters: Math.max(facts.repeated, facts.characters + Math.ceil(skippedBytes * share)),
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.finish === undefined ? {} : { finishReason: facts.finish }),
    ...(error === undefined ? {} : { error }),
  }
}

/** Whether a member that lists or says something says anything. */
export function isNamed(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
