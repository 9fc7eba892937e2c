/** Watches a forwarded Responses stream: its head until content has come, and then only its tail. */
import { toRouteplaneError, type RouteplaneError } from '../../errors.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord, tryParseJson } from '../../lib/json.ts'
import { createSseDecoder, MAX_SSE_EVENT_CHARACTERS, type SseDecoder, type SseItem } from '../../lib/sse.ts'
import type { StreamTap, TapReport } from '../protocol.ts'
import { badEvent, decodeFailure, incomplete } from './stream.ts'
import { createTail } from './tail.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What the events that were read have said. */
type Facts = {
  model: string | undefined
  usage: Usage | undefined
  finish: string | undefined
  error: RouteplaneError | undefined
  hasContent: boolean
  /** Characters of text, thought and arguments in the deltas that were read. */
  characters: number
  /** The same of the whole answer, as the terminal event repeats it. */
  repeated: number
}

/**
 * Creates a tap. It never throws, and keeps of what comes after the first content only the last event and a little before it: the
 * terminal event repeats the whole answer, and its usage stands at its end.
 */
export function createTap(): StreamTap {
  const head = createSseDecoder()
  const facts: Facts = {
    model: undefined,
    usage: undefined,
    finish: undefined,
    error: undefined,
    hasContent: false,
    characters: 0,
    repeated: 0,
  }
  const tail = createTail(MAX_SSE_EVENT_CHARACTERS)
  let headBytes = 0
  return {
    push: (chunk) => {
      if (facts.hasContent) tail.push(chunk)
      else {
        headBytes += chunk.length
        read(facts, head, chunk)
      }
      return facts.hasContent
    },
    end: () => {
      const { bytes, skipped } = tail.end()
      read(facts, skipped === 0 ? head : createSseDecoder(), bytes, true)
      return report(facts, skipped, headBytes + bytes.length)
    },
  }
}

function report(facts: Facts, skippedBytes: number, readBytes: number): TapReport {
  const share = readBytes === 0 ? 0 : facts.characters / readBytes
  const error = facts.error ?? (facts.finish === undefined ? incomplete() : undefined)
  return {
    usage: facts.usage,
    // After a search the only deltas may be among what was not read.
    deliveredCharacters: Math.max(facts.repeated, facts.characters + Math.ceil(skippedBytes * share)),
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.finish === undefined ? {} : { finishReason: facts.finish }),
    ...(error === undefined ? {} : { error }),
  }
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
  if ('comment' in item || facts.finish !== undefined || facts.error !== undefined) return
  const data = item.data.trim()
  if (data === '' || data === '[DONE]') return
  const event = tryParseJson(data)
  if (!isRecord(event)) {
    if (item.truncated !== true) facts.error = badEvent()
    return
  }
  noteEvent(facts, event, typeof event['type'] === 'string' ? event['type'] : (item.event ?? ''))
}

const failures: ReadonlySet<string> = new Set(['error', 'response.failed', 'response.cancelled'])
const endings: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete', 'response.done'])

function noteEvent(facts: Facts, event: Json, type: string): void {
  const response = isRecord(event['response']) ? event['response'] : undefined
  if (typeof response?.['model'] === 'string' && response['model'] !== '') facts.model = response['model']
  facts.usage = decodeUsage(response?.['usage']) ?? facts.usage
  const broken = response?.['error'] ?? event['error']
  if (failures.has(type) || failures.has(`response.${String(response?.['status'])}`) || isRecord(broken)) {
    facts.error = decodeFailure(isRecord(broken) ? broken : response === undefined ? event : { message: 'the response failed' })
    return
  }
  if (endings.has(type)) {
    facts.finish = wordOf(type, response?.['incomplete_details'])
    facts.repeated = lengthOf(response?.['output'])
    facts.hasContent = true
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
