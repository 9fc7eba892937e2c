/** Watches a forwarded Chat Completions stream: its head until content has come, and then only its tail. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createSseDecoder, type SseDecoder, type SseItem } from '../../lib/sse.ts'
import type { StreamTap, TapReport } from '../protocol.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { detailedThought, detailsOf, plainThought } from './reasoning.ts'
import { splitJson } from './split-json.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Bytes kept of the end: usage, finish reasons and errors are in the last few events. */
const TAIL_BYTES = 64 * 1024

/** Of those the ones that are read: a little, unless the last few events are longer. Every stream pays for what is read. */
const READ_BYTES = 8 * 1024
const READ_EVENTS = 4

/** What the events that were read have said. */
type Facts = {
  model: string | undefined
  usage: Usage | undefined
  finish: string | undefined
  native: string | undefined
  error: RouteplaneError | undefined
  isDone: boolean
  hasContent: boolean
  /** Characters of text, thought and arguments in the events that were read, and those events' bytes. */
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
    finish: undefined,
    native: undefined,
    error: undefined,
    isDone: false,
    hasContent: false,
    characters: 0,
  }
  const tail: Uint8Array[] = []
  let headBytes = 0
  let tailBytes = 0
  let skippedBytes = 0

  const keep = (chunk: Uint8Array): void => {
    tail.push(chunk)
    tailBytes += chunk.length
    while (tail.length > 1 && tailBytes - (tail[0]?.length ?? 0) >= TAIL_BYTES) {
      const dropped = tail.shift()?.length ?? 0
      tailBytes -= dropped
      skippedBytes += dropped
    }
  }
  return {
    push: (chunk) => {
      if (facts.hasContent) keep(chunk)
      else {
        headBytes += chunk.length
        read(facts, head, chunk)
      }
      return facts.hasContent
    },
    end: () => {
      const kept = Buffer.concat(tail)
      const bytes = kept.subarray(Math.max(0, Math.min(kept.length - READ_BYTES, beforeLastEvents(kept))))
      skippedBytes += kept.length - bytes.length
      const isWhole = skippedBytes === 0
      const decoder = isWhole ? head : createSseDecoder()
      const from = isWhole ? 0 : afterFirstEvent(bytes)
      read(facts, decoder, bytes.subarray(from), true)
      const readBytes = headBytes + bytes.length - from
      return report(facts, skippedBytes + from, readBytes)
    },
  }
}

/** Index of the blank line in front of the last few events; 0 when there are not so many. */
function beforeLastEvents(bytes: Buffer): number {
  const blanks = bytes.includes('\r') ? ['\n\n', '\r\n\r\n', '\r\r'] : ['\n\n']
  let at = bytes.length
  for (let found = 0; found <= READ_EVENTS && at > 0; found++) {
    at = Math.max(0, ...blanks.map((blank) => bytes.lastIndexOf(blank, at - 1)))
  }
  return at
}

/** What is left of the event in whose middle the tail begins is not read. */
function afterFirstEvent(bytes: Buffer): number {
  const found = ['\n\n', '\r\n\r\n', '\r\r']
    .map((blank) => ({ at: bytes.indexOf(blank), length: blank.length }))
    .filter(({ at }) => at !== -1)
  const first = found.toSorted((a, b) => a.at - b.at)[0]
  return first === undefined ? bytes.length : first.at + first.length
}

function report(facts: Facts, skippedBytes: number, readBytes: number): TapReport {
  const share = readBytes === 0 ? 0 : facts.characters / readBytes
  const error = facts.error ?? ((facts.isDone && facts.hasContent) || facts.finish !== undefined ? undefined : incomplete())
  return {
    usage: facts.usage,
    deliveredCharacters: facts.characters + Math.ceil(skippedBytes * share),
    ...(facts.model === undefined ? {} : { model: facts.model }),
    ...(facts.finish === undefined ? {} : { finishReason: facts.finish }),
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
  if ('comment' in item || facts.isDone || facts.error !== undefined) return
  const data = item.data.trim()
  if (data === '') return
  if (data === '[DONE]') {
    facts.isDone = true
    return
  }
  const values = splitJson(data)
  if (values === undefined) {
    if (item.truncated !== true)
      facts.error = new RouteplaneError('upstream_bad_stream', 'the upstream sent an event that is not a chunk of an answer')
    return
  }
  for (const value of values) if (isRecord(value)) noteChunk(facts, value, item.event === 'error')
}

function noteChunk(facts: Facts, chunk: Json, isError: boolean): void {
  const choices = Array.isArray(chunk['choices']) ? chunk['choices'].filter(isRecord) : []
  const broken = [chunk['error'], ...choices.map((choice) => choice['error'])].find(
    (error) => isRecord(error) || (typeof error === 'string' && error !== ''),
  )
  if (broken !== undefined || isError || chunk['object'] === 'error') {
    facts.error = decodeErrorObject(broken ?? chunk)
    return
  }
  if (typeof chunk['model'] === 'string' && chunk['model'] !== '') facts.model ??= chunk['model']
  const vendor = isRecord(chunk['x_groq']) ? chunk['x_groq']['usage'] : undefined
  const places = [chunk['usage'], vendor, ...choices.map((choice) => choice['usage'])]
  facts.usage = places.map(decodeUsage).find((usage) => usage !== undefined) ?? facts.usage
  for (const choice of choices) noteChoice(facts, choice)
}

function noteChoice(facts: Facts, choice: Json): void {
  const delta = choice['delta'] ?? choice['message']
  if (isRecord(delta)) {
    facts.characters += textLength(delta)
    facts.hasContent ||= hasContent(delta)
  }
  const reason = readReason(choice['finish_reason'])
  if (reason === undefined) return
  facts.finish = reason
  const truth = decodeFinish(reason, readReason(choice['native_finish_reason']), {
    hasCalls: false,
    hasBrokenCall: false,
    hasRefusal: false,
  })
  if (truth !== 'error' && truth !== 'malformed_tool_call') facts.hasContent = true
  else facts.error = new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
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
