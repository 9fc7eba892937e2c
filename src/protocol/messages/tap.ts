/** Watches a forwarded Messages stream. */
import { RouteplaneError } from '../../errors.ts'
import { isRecord } from '../../lib/json.ts'
import { endedInError } from '../answer-decoder.ts'
import type { StreamTap } from '../protocol.ts'
import { createByteTail } from '../tail.ts'
import { createWatch, isNamed, type TapFacts } from '../tap.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { readEvent } from './stream.ts'
import { decodeUsage, joinUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What this wire says in more than one event. */
type Sums = {
  usage: Json | undefined
  /** Whether an event about the end has come, be it without a reason. */
  hasEnding: boolean
}

/** Creates a tap: the last figures, the stop reason and errors are in the last few events. */
export function createTap(): StreamTap {
  const sums: Sums = { usage: undefined, hasEnding: false }
  return createWatch(createByteTail(), (facts, item) => {
    const event = readEvent(item)
    if (event instanceof RouteplaneError) throw event
    if (event !== undefined) noteEvent(facts, sums, event)
  })
}

function noteEvent(facts: TapFacts, sums: Sums, event: Json): void {
  switch (event['type']) {
    case 'message_start': {
      const message = isRecord(event['message']) ? event['message'] : {}
      if (isNamed(message['model'])) facts.model ??= message['model']
      noteUsage(facts, sums, message['usage'])
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
      noteEnding(facts, sums, event)
      break
    case 'message_stop':
      facts.isDone = true
      facts.isFinished ||= sums.hasEnding
      break
    case 'error':
      throw decodeErrorObject(event['error'] ?? event)
    default:
      break
  }
}

function noteUsage(facts: TapFacts, sums: Sums, usage: unknown): void {
  sums.usage = joinUsage(sums.usage, usage)
  facts.usage = decodeUsage(sums.usage)
}

function noteEnding(facts: TapFacts, sums: Sums, event: Json): void {
  const delta = isRecord(event['delta']) ? event['delta'] : {}
  sums.hasEnding = true
  noteUsage(facts, sums, event['usage'])
  facts.finish = readReason(delta['stop_reason']) ?? facts.finish
  if (facts.finish === undefined) return
  if (decodeFinish(facts.finish, { hasCalls: false, hasBrokenCall: false }) === 'error') throw endedInError()
  facts.isFinished = true
  facts.hasContent = true
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
