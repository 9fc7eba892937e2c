/** Watches a forwarded Responses stream. */
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { MAX_SSE_EVENT_CHARACTERS, type SseEvent } from '../../lib/sse.ts'
import { badEvent } from '../answer-decoder.ts'
import type { StreamTap } from '../protocol.ts'
import { createEventTail } from '../tail.ts'
import { createWatch, isNamed, type TapFacts } from '../tap.ts'
import { decodeFailure } from './stream.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Creates a tap: the terminal event repeats the whole answer, and its usage stands at its end, so that it is kept whole. */
export function createTap(): StreamTap {
  return createWatch(createEventTail(MAX_SSE_EVENT_CHARACTERS), note)
}

function note(facts: TapFacts, item: SseEvent): void {
  const data = item.data.trim()
  if (data === '' || data === '[DONE]') return
  const event = tryParseJson(data)
  if (isRecord(event)) noteEvent(facts, event, typeof event['type'] === 'string' ? event['type'] : (item.event ?? ''))
  else if (item.truncated !== true) throw badEvent()
}

const failures: ReadonlySet<string> = new Set(['error', 'response.failed', 'response.cancelled'])
const endings: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.done'])

function noteEvent(facts: TapFacts, event: Json, type: string): void {
  const response = isRecord(event['response']) ? event['response'] : undefined
  if (isNamed(response?.['model'])) facts.model = response['model']
  facts.usage = decodeUsage(response?.['usage']) ?? facts.usage
  const broken = response?.['error'] ?? event['error']
  if (failures.has(type) || failures.has(`response.${String(response?.['status'])}`) || isRecord(broken))
    throw decodeFailure(isRecord(broken) ? broken : response === undefined ? event : { message: 'the response failed' })
  if (endings.has(type)) {
    facts.finish = wordOf(type, response?.['incomplete_details'])
    facts.repeated = lengthOf(response?.['output'])
    facts.hasContent = true
    facts.isFinished = true
    facts.isDone = true
    return
  }
  const { delta, item } = event
  if (typeof delta === 'string') facts.characters += delta.length
  facts.hasContent ||= isContent(type, delta, item)
}

function wordOf(type: string, details: unknown): string {
  if (isRecord(details) && typeof details['reason'] === 'string') return details['reason']
  return type === 'response.incomplete' ? 'incomplete' : 'completed'
}

/** Characters of text, thought and arguments in the items of an answer. */
function lengthOf(output: unknown): number {
  const items = Array.isArray(output) ? output.filter(isRecord) : []
  const parts = items.flatMap(({ content, summary }) =>
    [content, summary].flatMap((list) => (Array.isArray(list) ? list.filter(isRecord) : [])),
  )
  const texts = [
    ...items.flatMap((item) => [item['arguments'], item['input']]),
    ...parts.flatMap((part) => [part['text'], part['refusal']]),
  ]
  return texts.reduce<number>((sum, text) => sum + (typeof text === 'string' ? text.length : 0), 0)
}

/** Whether a caller has something in his hands now: announcements of messages and thoughts are nothing yet. */
function isContent(type: string, delta: unknown, item: unknown): boolean {
  if (typeof delta === 'string') return delta !== ''
  if (type === 'response.output_item.done') return true
  return type === 'response.output_item.added' && isRecord(item) && item['type'] !== 'message' && item['type'] !== 'reasoning'
}
