/** Watches a forwarded generateContent stream: its head until content has come, and then only its last events. */
import { RouteplaneError, toRouteplaneError } from '../../errors.ts'
import type { Usage } from '../../completion/usage.ts'
import { isRecord } from '../../lib/json.ts'
import { createSseDecoder, type SseDecoder, type SseItem } from '../../lib/sse.ts'
import { splitJson } from '../chat-completions/split-json.ts'
import type { StreamTap, TapReport } from '../protocol.ts'
import { decodeErrorObject } from './error.ts'
import { createEventTail } from './event-tail.ts'
import { decodeFinish, readReason } from './finish.ts'
import { blockReason } from './stream.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** What the events that were read have said. */
type Facts = {
  model: string | undefined
  usage: Usage | undefined
  finish: string | undefined
  error: RouteplaneError | undefined
  hasContent: boolean
  /** The closing word of another wire has come, as compatible servers send it. */
  isDone: boolean
  /** Characters of text, thought and arguments in the events that were read. */
  characters: number
}

/**
 * Creates a tap. It keeps the last events whole, however long they are, because finish and usage come with the last of the
 * content; characters of what lies between head and tail are estimated from the share of text in what was read.
 */
export function createTap(): StreamTap {
  const head = createSseDecoder()
  const tail = createEventTail()
  const facts: Facts = {
    model: undefined,
    usage: undefined,
    finish: undefined,
    error: undefined,
    hasContent: false,
    isDone: false,
    characters: 0,
  }
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
  const incomplete = new RouteplaneError('stream_incomplete', 'the upstream ended its answer without saying that it was finished')
  const error = facts.error ?? (facts.finish === undefined ? incomplete : undefined)
  return {
    usage: facts.usage,
    deliveredCharacters: facts.characters + Math.ceil(skippedBytes * share),
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
  const { error } = chunk
  if (isRecord(error) || (typeof error === 'string' && error !== '') || isError) {
    facts.error = decodeErrorObject(error ?? chunk)
    return
  }
  if (typeof chunk['modelVersion'] === 'string' && chunk['modelVersion'] !== '') facts.model ??= chunk['modelVersion']
  facts.usage = decodeUsage(chunk['usageMetadata']) ?? facts.usage
  const blocked = blockReason(chunk['promptFeedback'])
  if (blocked !== undefined) {
    facts.finish ??= blocked
    facts.hasContent = true
  }
  const candidates = Array.isArray(chunk['candidates']) ? chunk['candidates'].filter(isRecord) : []
  for (const candidate of candidates) noteCandidate(facts, candidate)
}

function noteCandidate(facts: Facts, candidate: Json): void {
  const content = isRecord(candidate['content']) ? candidate['content'] : {}
  const parts = Array.isArray(content['parts']) ? content['parts'].filter(isRecord) : []
  for (const part of parts) {
    facts.characters += textLength(part)
    // Whether it is content that a caller would see: an empty text is nothing.
    facts.hasContent ||= Object.entries(part).some(([name, value]) => name !== 'thought' && name !== 'thoughtSignature' && value !== '')
  }
  const reason = readReason(candidate['finishReason'])
  if (reason === undefined) return
  facts.finish = reason
  const truth = decodeFinish(reason, { hasCalls: false, hasBrokenCall: false })
  if (truth !== 'error' && truth !== 'malformed_tool_call') facts.hasContent = true
  else facts.error = new RouteplaneError('upstream_error', 'the upstream ended its answer with an error as the reason')
}

function textLength({ text, functionCall: call }: Json): number {
  const written = isRecord(call) ? JSON.stringify(call).length : 0
  return (typeof text === 'string' ? text.length : 0) + written
}
