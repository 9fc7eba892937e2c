/** Watches a forwarded Chat Completions stream. */
import { isRecord } from '../../lib/json.ts'
import type { SseEvent } from '../../lib/sse.ts'
import { badEvent, endedInError, isError } from '../answer-decoder.ts'
import { readChunks } from '../chunk-events.ts'
import type { StreamTap } from '../protocol.ts'
import { createByteTail } from '../tail.ts'
import { createWatch, isNamed, type TapFacts } from '../tap.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { detailedThought, detailsOf, plainThought } from './reasoning.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Its figures are in the last few events, and one event is enough to know the share of text in all. */
const READ_BYTES = 8 * 1024

/** Creates a tap: usage, finish reasons and errors are in the last few events. */
export function createTap(): StreamTap {
  return createWatch(createByteTail(READ_BYTES), note)
}

function note(facts: TapFacts, item: SseEvent): void {
  const event = readChunks(item)
  if (event.kind === 'bad') throw badEvent()
  if (event.kind === 'done') {
    facts.isDone = true
    // Not every server says why it ended.
    facts.isFinished ||= facts.hasContent
  }
  if (event.kind === 'chunks') for (const chunk of event.chunks) if (isRecord(chunk)) noteChunk(facts, chunk)
}

function noteChunk(facts: TapFacts, chunk: Json): void {
  const choices = Array.isArray(chunk['choices']) ? chunk['choices'].filter(isRecord) : []
  const broken = [chunk['error'], ...choices.map((choice) => choice['error'])].find(isError)
  if (broken !== undefined || chunk['object'] === 'error') throw decodeErrorObject(broken ?? chunk)
  if (isNamed(chunk['model'])) facts.model ??= chunk['model']
  const vendor = isRecord(chunk['x_groq']) ? chunk['x_groq']['usage'] : undefined
  const places = [chunk['usage'], vendor, ...choices.map((choice) => choice['usage'])]
  facts.usage = places.map(decodeUsage).find((usage) => usage !== undefined) ?? facts.usage
  for (const choice of choices) noteChoice(facts, choice)
}

function noteChoice(facts: TapFacts, choice: Json): void {
  const delta = choice['delta'] ?? choice['message']
  if (isRecord(delta)) {
    facts.characters += textLength(delta)
    facts.hasContent ||= hasContent(delta)
  }
  const reason = readReason(choice['finish_reason'])
  if (reason === undefined) return
  facts.finish = reason
  facts.isFinished = true
  const truth = decodeFinish(reason, readReason(choice['native_finish_reason']), {
    hasCalls: false,
    hasBrokenCall: false,
    hasRefusal: false,
  })
  if (truth === 'error' || truth === 'malformed_tool_call') throw endedInError()
  facts.hasContent = true
}

function textLength(delta: Json): number {
  const thought = plainThought(delta) || detailedThought(detailsOf(delta))
  let length = thought.length + lengthOf(delta['refusal'])
  const { content } = delta
  length += Array.isArray(content)
    ? content.filter(isRecord).reduce((sum, piece) => sum + JSON.stringify(piece).length, 0)
    : lengthOf(content)
  const calls = Array.isArray(delta['tool_calls']) ? delta['tool_calls'].filter(isRecord) : []
  for (const call of calls) {
    const given = isRecord(call['function']) ? call['function'] : isRecord(call['custom']) ? call['custom'] : {}
    length += lengthOf(given['name']) + lengthOf(given['arguments']) + lengthOf(given['input'])
  }
  return length
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}

/** Whether a caller has something in his hands now: the role alone, and empty members, are nothing. */
function hasContent(delta: Json): boolean {
  return [
    'content',
    'refusal',
    'reasoning',
    'reasoning_content',
    'reasoning_details',
    'tool_calls',
    'function_call',
    'audio',
    'images',
    'annotations',
  ].some((field) => {
    const value = delta[field]
    return typeof value === 'string' || Array.isArray(value) ? value.length > 0 : isRecord(value)
  })
}
