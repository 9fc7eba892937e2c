/** Watches a forwarded generateContent stream. */
import { isRecord } from '../../lib/json.ts'
import { MAX_SSE_EVENT_CHARACTERS, type SseEvent } from '../../lib/sse.ts'
import { badEvent, endedInError, isError } from '../answer-decoder.ts'
import { readChunks } from '../chunk-events.ts'
import type { StreamTap } from '../protocol.ts'
import { createEventTail } from '../tail.ts'
import { createWatch, isNamed, type TapFacts } from '../tap.ts'
import { decodeErrorObject } from './error.ts'
import { decodeFinish, readReason } from './finish.ts'
import { blockReason } from './stream.ts'
import { decodeUsage } from './usage.ts'

type Json = Readonly<Record<string, unknown>>

/** Creates a tap: finish and usage come with the last of the content, so that the last events are kept whole. */
export function createTap(): StreamTap {
  return createWatch(createEventTail(MAX_SSE_EVENT_CHARACTERS), note)
}

function note(facts: TapFacts, item: SseEvent): void {
  const event = readChunks(item)
  if (event.kind === 'bad') throw badEvent()
  // The closing word of another wire, as compatible servers send it.
  if (event.kind === 'done') facts.isDone = true
  if (event.kind === 'chunks') for (const chunk of event.chunks) if (isRecord(chunk)) noteChunk(facts, chunk)
}

function noteChunk(facts: TapFacts, chunk: Json): void {
  if (isError(chunk['error'])) throw decodeErrorObject(chunk['error'])
  if (isNamed(chunk['modelVersion'])) facts.model ??= chunk['modelVersion']
  facts.usage = decodeUsage(chunk['usageMetadata']) ?? facts.usage
  const blocked = blockReason(chunk['promptFeedback'])
  if (blocked !== undefined) {
    facts.finish ??= blocked
    facts.isFinished = true
    facts.hasContent = true
  }
  const candidates = Array.isArray(chunk['candidates']) ? chunk['candidates'].filter(isRecord) : []
  for (const candidate of candidates) noteCandidate(facts, candidate)
}

function noteCandidate(facts: TapFacts, candidate: Json): void {
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
  facts.isFinished = true
  const truth = decodeFinish(reason, { hasCalls: false, hasBrokenCall: false })
  if (truth === 'error' || truth === 'malformed_tool_call') throw endedInError()
  facts.hasContent = true
}

function textLength({ text, functionCall: call }: Json): number {
  const written = isRecord(call) ? JSON.stringify(call).length : 0
  return (typeof text === 'string' ? text.length : 0) + written
}
